// Packs a built plugin: node scripts/package.mjs app|datasource FOLDER TARGET... Prints the zip, which has been checked.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { complaints } from './check-package.mjs';

const [plugin, folder, ...targets] = process.argv.slice(2);
const dist = path.join(import.meta.dirname, '..', plugin, 'dist');
const { id, info } = JSON.parse(fs.readFileSync(path.join(dist, 'plugin.json')));
const zip = path.resolve(folder, `${id}-${info.version}.zip`);

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'package-'));
fs.cpSync(dist, path.join(work, id), { recursive: true });
for (const name of fs.readdirSync(path.join(work, id)).filter((name) => name.startsWith('gpx_'))) {
  fs.chmodSync(path.join(work, id, name), 0o755);
}
fs.rmSync(zip, { force: true });
execFileSync('zip', ['-qrX', zip, id], { cwd: work });
fs.rmSync(work, { recursive: true });

const found = complaints(zip, targets);
if (found.length > 0) {
  console.error(`${zip}:\n${found.map((each) => `  ${each}`).join('\n')}`);
  process.exit(1);
}
console.log(zip);
