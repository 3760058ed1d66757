// The check finds what is wrong: packages of the build for Linux, each spoilt in one way. Run with the folder of the zips.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { complaints, complaintsOf } from './check-package.mjs';

const DIST = process.env.PLUGINS_DIST;
const TARGETS = ['linux'];
const zips = fs.readdirSync(DIST).filter((name) => /^betrace-.*\.zip$/.test(name));
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'spoilt-'));

before(() => zips.forEach((name) => execFileSync('unzip', ['-qo', path.join(DIST, name), '-d', work])));
after(() => fs.rmSync(work, { recursive: true }));

test('both packages are as they should be', () => {
  assert.equal(zips.length, 2);
  zips.forEach((name) => assert.deepEqual(complaints(path.join(DIST, name), TARGETS), []));
});

const write = (name, change) => (folder) =>
  fs.writeFileSync(path.join(folder, name), change(fs.readFileSync(path.join(folder, name), 'utf8')));
const edit = (change) => write('plugin.json', (text) => JSON.stringify(change(JSON.parse(text))));

/** The code of a package of the workspace in the plugin's. */
const bundled = (file) =>
  write('module.js', (text) => text + fs.readFileSync(path.join(import.meta.dirname, '..', file), 'utf8'));

const SPOILT = [
  ['an old changelog', 'betrace-app', write('CHANGELOG.md', () => '# Changelog\n'), /does not tell of this version/],
  ['no changelog', 'betrace-app', (folder) => fs.rmSync(path.join(folder, 'CHANGELOG.md')), /CHANGELOG.md is missing/],
  ['another id', 'betrace-app', edit((plugin) => ({ ...plugin, id: 'other-app' })), /is not the id other-app/],
  [
    'an unfilled version',
    'betrace-app',
    edit((plugin) => ({ ...plugin, info: { ...plugin.info, version: '%VERSION%' } })),
    /info.version is %VERSION%/,
  ],
  [
    'a logo with a script',
    'betrace-app',
    write('img/logo.svg', (svg) => svg.replace('</svg>', '<script/></svg>')),
    /no safe SVG/,
  ],
  ['a screenshot that is none', 'betrace-app', write('img/rules.png', () => 'text'), /no PNG/],
  ['a template’s comment', 'betrace-app', write('README.md', (text) => `${text}<!-- -->`), /template/],
  ['a second React', 'betrace-app', bundled('node_modules/react/cjs/react.production.min.js'), /React is bundled/],
  [
    'React’s elements',
    'betrace-app',
    bundled('node_modules/react/cjs/react-jsx-runtime.production.min.js'),
    /React is bundled/,
  ],
  [
    'those of React 19',
    'betrace-app',
    bundled('harness-13/node_modules/react/cjs/react-jsx-runtime.production.js'),
    /React is bundled/,
  ],
  [
    'a second emotion',
    'betrace-app',
    bundled('node_modules/@emotion/serialize/dist/emotion-serialize.cjs.js'),
    /emotion is bundled/,
  ],
  [
    'a second Monaco',
    'betrace-app',
    bundled('node_modules/monaco-editor/esm/vs/editor/browser/widget/codeEditorWidget.js'),
    /Monaco is bundled/,
  ],
  ['much JavaScript', 'betrace-app', write('module.js', (text) => text + ' '.repeat(300_000)), /more than 300000/],
  [
    'a backend without binaries',
    'betrace-app',
    edit((plugin) => ({ ...plugin, backend: true, executable: 'gpx_x' })),
    /gpx_x_linux_amd64 is missing/,
  ],
  [
    'a binary that cannot run',
    'betrace-datasource',
    (folder) => fs.chmodSync(path.join(folder, 'gpx_betrace_linux_amd64'), 0o644),
    /not the mode 755/,
  ],
  [
    'no manifest',
    'betrace-datasource',
    (folder) => fs.rmSync(path.join(folder, 'go_plugin_build_manifest')),
    /manifest is missing/,
  ],
];

for (const [name, id, spoil, expected] of SPOILT) {
  test(`it finds ${name}`, () => {
    const folder = path.join(fs.mkdtempSync(path.join(work, 'one-')), id);
    fs.cpSync(path.join(work, id), folder, { recursive: true });
    spoil(folder);
    assert.match(complaintsOf(folder, TARGETS).join('\n'), expected);
  });
}

test('all platforms are wanted unless others are named', () => {
  const found = complaintsOf(path.join(work, 'betrace-datasource'));
  const others = ['linux_arm', 'linux_arm64', 'darwin_amd64', 'darwin_arm64', 'windows_amd64.exe'];
  assert.deepEqual(
    found,
    others.map((name) => `gpx_betrace_${name} is missing`)
  );
});
