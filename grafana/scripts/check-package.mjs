// What Grafana, and its catalogue's validator as far as it needs no network, ask of a plugin's zip.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const LARGEST = 300_000; // bytes of JavaScript
// What the binaries are called by mage's names of targets.
const BINARIES = {
  linux: 'linux_amd64',
  linuxARM: 'linux_arm',
  linuxARM64: 'linux_arm64',
  darwin: 'darwin_amd64',
  darwinARM64: 'darwin_arm64',
  windows: 'windows_amd64.exe',
};
// Texts in the code of what Grafana has already; React's are of 18 and of 19, of its elements and of what renders them.
const SHARED = {
  React: /react\.(transitional\.)?element|Minified React error/,
  Monaco: /monaco-editor/,
  emotion: /__emotion_styles/,
};
const PNG = '89504e47';

/** What is wrong with a zip, as sentences; none if nothing is. `targets` are those that the backend is to be there for. */
export function complaints(zip, targets) {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'check-'));
  try {
    execFileSync('unzip', ['-q', zip, '-d', work]);
    const tops = fs.readdirSync(work);
    return tops.length === 1
      ? complaintsOf(path.join(work, tops[0]), targets)
      : [`one folder is needed, not ${tops.join(', ')}`];
  } finally {
    fs.rmSync(work, { recursive: true });
  }
}

/** The same of what a zip holds. */
export function complaintsOf(folder, targets = Object.keys(BINARIES)) {
  const found = [];
  const demand = (holds, sentence) => holds || found.push(sentence);
  const has = (name) => fs.existsSync(path.join(folder, name));
  const text = (name) => (has(name) ? fs.readFileSync(path.join(folder, name), 'utf8') : '');

  for (const name of ['module.js', 'module.js.map', 'plugin.json', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
    demand(text(name).trim() !== '', `${name} is missing, or empty`);
  }
  if (!has('plugin.json')) {
    return found;
  }
  const plugin = JSON.parse(text('plugin.json'));
  described(plugin, path.basename(folder), demand);
  demand(text('CHANGELOG.md').includes(`## ${plugin.info?.version}`), 'CHANGELOG.md does not tell of this version');
  pictures(plugin, folder, demand);
  readme(text('README.md'), demand);
  scripts(folder, demand);
  backend(plugin, folder, targets, demand);
  return found;
}

function described({ id, type, name, info, dependencies, ...rest }, folder, demand) {
  demand(id === folder, `the folder ${folder} is not the id ${id}`);
  demand(
    /^[0-9a-z]+-([0-9a-z]+-)?(app|panel|datasource)$/.test(id) && id.endsWith(type),
    `the id ${id} is none of a ${type}`
  );
  demand(/^\d+\.\d+\.\d+/.test(info?.version), `info.version is ${info?.version}`);
  demand(/^\d{4}-\d\d-\d\d$/.test(info?.updated), `info.updated is ${info?.updated}`);
  demand(
    name && info?.description && info?.author?.name && info?.keywords?.length > 0,
    'a name, description, author and keywords are needed'
  );
  demand(/^>=\d+\.\d+\.\d+/.test(dependencies?.grafanaDependency), 'dependencies.grafanaDependency is needed');
  demand(!JSON.stringify({ id, name, info, ...rest }).includes('%'), 'plugin.json has a %PLACEHOLDER%');
}

function pictures({ info }, folder, demand) {
  for (const logo of [info?.logos?.small, info?.logos?.large]) {
    const file = path.join(folder, logo ?? '-');
    const svg = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
    demand(
      svg.startsWith('<svg') && !/<script|\son\w+=|javascript:|href=/i.test(svg),
      `the logo ${logo} is no safe SVG`
    );
  }
  demand(info?.screenshots?.length > 0, 'a screenshot is needed');
  for (const { path: name } of info?.screenshots ?? []) {
    const file = path.join(folder, name);
    demand(
      fs.existsSync(file) && fs.readFileSync(file).toString('hex', 0, 4) === PNG,
      `the screenshot ${name} is no PNG`
    );
  }
}

function readme(text, demand) {
  demand(text.length > 500 && !text.includes('<!--'), 'README.md says little, or has comments of the template');
  demand(!/\b(npm|yarn|webpack|docker compose)\b/.test(text), 'README.md is for users, not for builders');
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1]);
  demand(
    links.every((link) => /^(https?:|#)/.test(link)),
    `README.md has relative links: ${links}`
  );
}

function scripts(folder, demand) {
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.js'));
  const all = names.map((name) => fs.readFileSync(path.join(folder, name), 'utf8')).join('\n');
  demand(all.length < LARGEST, `${all.length} bytes of JavaScript are more than ${LARGEST}`);
  for (const [name, mark] of Object.entries(SHARED)) {
    demand(!mark.test(all), `${name} is bundled, which Grafana has`);
  }
}

function backend({ backend = false, executable }, folder, targets, demand) {
  const files = fs.readdirSync(folder).filter((name) => name.startsWith('gpx_'));
  const wanted = backend ? targets.map((target) => `${executable}_${BINARIES[target]}`) : [];
  for (const name of wanted) {
    demand(files.includes(name), `${name} is missing`);
  }
  demand(
    !backend || fs.existsSync(path.join(folder, 'go_plugin_build_manifest')),
    'go_plugin_build_manifest is missing'
  );
  for (const name of files) {
    demand(wanted.includes(name), `${name} is none of the backend's binaries`);
    demand((fs.statSync(path.join(folder, name)).mode & 0o777) === 0o755, `${name} has not the mode 755`);
  }
}
