import { execFile } from 'node:child_process';
import { chown, lstat, mkdir, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { PandoError } from '../kernel/errors.js';
import { createTemporaryFolder } from './process-guard.js';

const execute = promisify(execFile);

/**
 * This machine has no user, or no folder, that Postgres could run with.
 *
 * Do what the message says: run as an ordinary user, or set `TMPDIR` to a folder that this user can reach.
 */
export class PostgresHostError extends PandoError {
  constructor(message: string) {
    super({ code: 'PANDO_TESTING_POSTGRES_HOST', message });
  }
}

/** The user that the servers run as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Postgres refuses to run as root: there it runs as `postgres`, else as `nobody`, else as a user made for it.
 * Everyone else runs it as themselves.
 */
export async function serverAccount(): Promise<Account> {
  const own: Account = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
  if (own.uid !== 0) return own;
  for (const name of ['postgres', 'nobody']) {
    const account = await lookUp(name);
    if (account) return account;
  }
  await execute('useradd', ['--system', '--no-create-home', '--shell', '/bin/false', 'postgres']);
  const created = await lookUp('postgres');
  if (created) return created;
  throw new PostgresHostError(
    'Postgres cannot run as root, and the user "postgres" could not be made. Run as an ordinary user.',
  );
}

/** The account for a child process; absent when it is the one that this process has anyway. */
export function switchTo(account: Account): Account | undefined {
  return process.getuid?.() === 0 ? account : undefined;
}

async function lookUp(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await execute('id', [flag, name])).stdout)),
    );
    return uid && gid !== undefined ? { uid, gid } : undefined;
  } catch {
    return undefined; // no such user
  }
}

/** Whether the account may enter the folder and everything above it; root's home is often closed to others. */
export async function canReach(account: Account, folder: string): Promise<boolean> {
  try {
    const { mode, uid, gid } = await stat(folder);
    const searchable = uid === account.uid ? mode & 0o100 : gid === account.gid ? mode & 0o010 : mode & 0o001;
    const parent = dirname(folder);
    return searchable !== 0 && (parent === folder || (await canReach(account, parent)));
  } catch {
    return false;
  }
}

/**
 * The folder for data that ends with the cluster: in memory where there is room, which makes copies of a data folder
 * ten times as quick on some file systems. A container's default of 64 MB is not enough.
 */
export async function volatileFolder(account: Account): Promise<string> {
  const memory = '/dev/shm';
  const room = await statfs(memory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  if (room >= 2 * 1024 ** 3 && (await canReach(account, memory))) return memory;
  return reachableTemporaryFolder(account);
}

/** The folder for temporary files that the account can reach. */
async function reachableTemporaryFolder(account: Account): Promise<string> {
  for (const folder of [tmpdir(), '/tmp', '/var/tmp']) if (await canReach(account, folder)) return folder;
  throw new PostgresHostError(
    `No temporary folder is open to the user ${account.uid}, who runs Postgres. Set TMPDIR to one that is.`,
  );
}

/**
 * A folder that is kept between runs for what is slow to make. It belongs to the account; when something else has taken
 * its name, a temporary folder stands in.
 */
export async function cacheFolder(account: Account): Promise<string> {
  const parent = await reachableTemporaryFolder(account);
  const folder = join(parent, `pando-postgres-${account.uid}`);
  try {
    await mkdir(folder, { mode: 0o700 });
    await chown(folder, account.uid, account.gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  // Its name can be guessed: another user may have put a folder or a link of their own there.
  const found = await lstat(folder);
  if (found.isDirectory() && found.uid === account.uid) return folder;
  const { path } = await createTemporaryFolder('pando-postgres-', parent);
  await chown(path, account.uid, account.gid);
  return path;
}
