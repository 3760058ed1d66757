// The check finds what is wrong: packages of the build, each spoilt in one way. Run with the folder of the zips.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { complaints, complaintsOf } from './check-package.mjs';

const DIST = process.env.PLUGINS_DIST;
const zips = fs.readdirSync(DIST).filter((name) => /^betrace-.*\.zip$/.test(name));
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'spoilt-'));

before(() => zips.forEach((name) => execFileSync('unzip', ['-qo', path.join(DIST, name), '-d', work])));
after(() => fs.rmSync(work, { recursive: true }));

test('both packages are as they should be', () => {
  assert.equal(zips.length, 2);
  zips.forEach((name) => assert.deepEqual(complaints(path.join(DIST, name)), []));
});

const write = (name, change) => (folder) =>
  fs.writeFileSync(path.join(folder, name), change(fs.readFileSync(path.join(folder, name), 'utf8')));
const edit = (change) => write('plugin.json', (text) => JSON.stringify(change(JSON.parse(text))));

const SPOILT = [
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
  ['a second React', 'betrace-app', write('module.js', (text) => `${text}"Minified React error"`), /React is bundled/],
  ['much JavaScript', 'betrace-app', write('module.js', (text) => text + ' '.repeat(300_000)), /more than 300000/],
  [
    'a backend without binaries',
    'betrace-app',
    edit((plugin) => ({ ...plugin, backend: true, executable: 'gpx_x' })),
    /no binaries of gpx_x/,
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
    assert.match(complaintsOf(folder).join('\n'), expected);
  });
}
