import { execFile } from 'node:child_process';
import { copyFile, lstat, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Account } from './postgres-account.js';
import { switchTo } from './postgres-account.js';

const execute = promisify(execFile);

/** Whether something is at the path. */
export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Gives a finished folder its final name; another process may have been quicker, and its folder is as good. */
export async function moveInto(draft: string, home: string): Promise<void> {
  try {
    await rename(draft, home);
  } catch (error) {
    if (!(await exists(home))) throw error;
  }
}

/** Copies a folder that nobody writes to, as the account, so that the copy belongs to it. */
export async function copyFolder(from: string, to: string, account: Account): Promise<void> {
  await execute('cp', ['-R', from, to], { ...switchTo(account), cwd: '/' });
}

/** Folders whose content belongs to the running server and not to its data. */
const emptied = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const omitted = new Set(['postmaster.pid', 'postmaster.opts', 'standby.signal', 'backup_label']);

/** Copies the data folder of a running server that is in backup mode; what changes meanwhile is mended by the WAL. */
export async function copyLiveData(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (omitted.has(entry.name)) continue;
    if (emptied.has(entry.name)) await mkdir(target, { mode: 0o700 });
    else if (entry.isDirectory()) await copyLiveTree(source, target);
    else await copyIfThere(source, target);
  }
}

async function copyLiveTree(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.name.startsWith('pgsql_tmp')) continue;
    if (entry.isDirectory()) await copyLiveTree(source, target);
    else await copyIfThere(source, target);
  }
}

async function copyIfThere(from: string, to: string): Promise<void> {
  await copyFile(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error; // a dropped table's file: the WAL says so too
  });
}

/** Hands a folder made by this process over to the account. */
export async function giveTo(account: Account, folder: string): Promise<void> {
  if (switchTo(account)) await execute('chown', ['-R', `${account.uid}:${account.gid}`, folder]);
}
