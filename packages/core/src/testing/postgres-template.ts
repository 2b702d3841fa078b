import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chown, realpath, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GuardedProcess } from './guarded-process.js';
import type { Account } from './postgres-account.js';
import { cacheFolder, switchTo } from './postgres-account.js';
import type { PostgresBinaries } from './postgres-binaries.js';
import { exists, moveInto } from './postgres-files.js';
import { ServerStartError } from './postgres-process.js';
import { baseSettings, formatSettings } from './postgres-settings.js';
import { createTemporaryFolder } from './process-guard.js';
import { waitFor } from './wait-for.js';

const execute = promisify(execFile);

/**
 * A data folder as `initdb` leaves it, made once on a machine and copied from then on: a second instead of a tenth.
 *
 * Its superuser is `postgres`, everyone on this machine may connect, text sorts by bytes. Clusters made from one
 * template have the same system identifier.
 */
export async function preparedTemplate(binaries: PostgresBinaries, account: Account): Promise<string> {
  const cache = await cacheFolder(account);
  const home = join(cache, `template-${await fingerprint(binaries)}`);
  if (await exists(home)) return home;

  await using draft = await createTemporaryFolder('template-draft-', cache);
  await chown(draft.path, account.uid, account.gid);
  const data = join(draft.path, 'data');
  const options = [
    '--username=postgres',
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
    '--wal-segsize=1',
  ];
  await execute(join(binaries.folder, 'initdb'), ['--pgdata', data, ...options], {
    ...switchTo(account),
    cwd: draft.path,
    env: binaries.env,
  });
  await writeFile(join(data, 'postgresql.conf'), formatSettings({ ...baseSettings, fsync: false }));
  await settle(data, draft.path, binaries, account);
  await moveInto(data, home);
  return home;
}

/**
 * One start and stop, after which the control file says that the WAL is fit for standbys. It also says how many
 * connections and the like a standby must allow at least: as few as can be.
 */
async function settle(
  data: string,
  folder: string,
  binaries: PostgresBinaries,
  account: Account,
): Promise<void> {
  const server = await GuardedProcess.start(
    join(binaries.folder, 'postgres'),
    ['-D', data, '-k', folder, ...smallest.flatMap((setting) => ['-c', setting])],
    { outputFile: join(folder, 'server.log'), cwd: folder, env: binaries.env, account: switchTo(account) },
  );
  await waitFor(() => !server.running || server.output().includes('ready to accept connections'), {
    intervalMs: 10,
    timeoutMs: 30_000,
    message: () => `Postgres to start from a fresh data folder. It said:\n${server.output()}`,
  });
  const { code } = await server.end('SIGINT');
  if (code !== 0) throw new ServerStartError('template', server.output());
}

const smallest = [
  'listen_addresses=',
  'max_connections=5',
  'max_wal_senders=1',
  'max_worker_processes=1',
  'max_locks_per_transaction=10',
  'max_prepared_transactions=0',
];

/** Changes with the server programs and with how the template is made. */
async function fingerprint(binaries: PostgresBinaries): Promise<string> {
  const server = await realpath(join(binaries.folder, 'postgres'));
  const { size, mtimeMs } = await stat(server);
  const text = [2, server, size, mtimeMs, formatSettings(baseSettings)].join('\n');
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
