/**
 * What every front door needs before it opens: the dependencies installed and the packages built.
 * Imports nothing but Node itself, since on a fresh clone nothing else is there. Says what it does on standard error,
 * so that standard output belongs to the program behind the door.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root, run } from './run.mjs';

/** Runs `npm ci` when node_modules is missing or was installed from another package-lock.json. */
export async function ensureInstalled(folder = root) {
  checkNode();
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8');
  const wanted = createHash('sha256').update(lock).digest('hex');
  const stamp = join(folder, 'node_modules', '.pando-installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  if (!isInstalledByHand(folder, lock)) {
    console.error(
      `Installing dependencies${folder === root ? '' : ` of ${relative(root, folder)}`} (npm ci) ...`,
    );
    await run('npm', ['ci', '--loglevel=error', '--no-progress'], {
      cwd: folder,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32', // npm is a .cmd file there
    });
  }
  writeFileSync(stamp, wanted);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Error(`Pando needs Node 20.19 or later; this is ${process.versions.node} (${process.execPath}).`);
}

/** Whether `npm install` or `npm ci` already ran for this lock: npm keeps its own account of what it installed. */
function isInstalledByHand(folder, lock) {
  const account = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(account)) return false;
  const present = JSON.parse(readFileSync(account, 'utf8')).packages;
  return Object.entries(JSON.parse(lock).packages).every(
    ([location, { version, optional, link }]) =>
      !location.includes('node_modules/') || optional || link || present[location]?.version === version,
  );
}

/** Builds what changed since the last build. `types: true` also writes the type declarations. */
export async function ensureBuilt({ types = false } = {}) {
  const { buildAll } = await import('./build.mjs');
  await buildAll({ types });
}
