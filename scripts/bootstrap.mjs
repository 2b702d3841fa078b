/**
 * What every front door needs before it opens: the dependencies installed and the packages built.
 * Imports nothing but Node itself, since on a fresh clone nothing else is there.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './run.mjs';

const installStamp = join(root, 'node_modules', '.pando-installed');

/** Runs `npm ci` when node_modules is missing or was installed from another package-lock.json. */
export async function ensureInstalled() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(installStamp) && readFileSync(installStamp, 'utf8') === wanted) return;
  if (isInstalledByHand()) {
    writeFileSync(installStamp, wanted);
    return;
  }
  console.log('Installing dependencies (npm ci) ...');
  await run('npm', ['ci', '--loglevel=error', '--no-progress']);
  writeFileSync(installStamp, wanted);
}

/** Whether `npm install` or `npm ci` already ran for this lock: npm keeps its own copy of what it installed. */
function isInstalledByHand() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([location, { version, optional, link }]) =>
      !location.startsWith('node_modules/') || optional || link || present[location]?.version === version,
  );
}

/** Builds what changed since the last build. `types: true` also writes the type declarations. */
export async function ensureBuilt({ types = false } = {}) {
  const { buildAll } = await import('./build.mjs');
  await buildAll({ types });
}
