import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, catalogue } from './locate.mjs';
import { run } from './run.mjs';

const root = join(cacheFolder, 'root');
const bin = join(cacheFolder, 'bin');

/**
 * Downloads Debian packages and what they need, and unpacks them into the cache folder. Needs no root.
 *
 * Each server gets a small script that points the dynamic linker at the unpacked libraries. Servers that do not run
 * like that are left out; the caller looks again for what is there.
 */
export async function unpackPackages(servers) {
  const state = join(cacheFolder, 'apt');
  for (const folder of [
    root,
    bin,
    join(state, 'lists', 'partial'),
    join(state, 'cache', 'archives', 'partial'),
  ]) {
    mkdirSync(folder, { recursive: true });
  }
  // A private copy of apt's lists: the system's may be missing, and only root may refresh them.
  const own = [
    '-o',
    `Dir::State::lists=${join(state, 'lists')}`,
    '-o',
    `Dir::Cache=${join(state, 'cache')}`,
    '-o',
    'Debug::NoLocking=1',
  ];
  await run('apt-get', [...own, '-qq', 'update']);

  const wanted = servers.map((server) => catalogue[server].apt);
  const plan = await run('apt-get', [...own, '-s', 'install', '--no-install-recommends', ...wanted]);
  const missing = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name);

  const downloads = mkdtempSync(join(cacheFolder, 'download-'));
  try {
    await run('apt-get', [...own, '-qq', 'download', ...missing], { cwd: downloads });
    for (const file of readdirSync(downloads)) await run('dpkg-deb', ['-x', join(downloads, file), root]);
  } finally {
    rmSync(downloads, { recursive: true, force: true });
  }
  for (const server of servers) await writeLauncher(server);
}

async function writeLauncher(server) {
  const { unpacked, probe } = catalogue[server];
  const target = join(root, unpacked);
  if (!existsSync(target)) return;
  const draft = join(bin, `.${server}`);
  writeFileSync(draft, `#!/bin/sh\nLD_LIBRARY_PATH='${libraryFolders().join(':')}' exec '${target}' "$@"\n`);
  chmodSync(draft, 0o755);
  try {
    await run(draft, probe);
    renameSync(draft, join(bin, server));
  } catch {
    rmSync(draft, { force: true });
  }
}

function libraryFolders() {
  const folders = [];
  for (const parent of [join(root, 'lib'), join(root, 'usr/lib')]) {
    if (!existsSync(parent)) continue;
    const multiarch = readdirSync(parent).filter((name) => name.includes('-linux-'));
    for (const folder of multiarch.map((name) => join(parent, name))) {
      folders.push(
        folder,
        ...['pulseaudio', 'blas', 'lapack'].map((name) => join(folder, name)).filter(existsSync),
      );
    }
  }
  return folders;
}
