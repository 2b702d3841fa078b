import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import type { Signalled } from '../kernel/abort.js';
import { copyLiveData, exists, giveTo } from './postgres-files.js';
import type { PostgresProcess } from './postgres-process.js';
import { withConnection } from './postgres-query.js';
import { waitFor } from './wait-for.js';

/** Whether the server's data is a standby's; promotion takes the mark away. */
export async function isStandby(server: PostgresProcess): Promise<boolean> {
  return exists(standbyMark(server));
}

/** Makes a stopped server a standby of the primary; its data must be an older state of the primary's. */
export async function makeStandby(
  standby: PostgresProcess,
  primary: PostgresProcess,
  options: Signalled,
): Promise<void> {
  await reserveSlot(primary, standby.name, options);
  await writeFile(standbyMark(standby), '');
  await giveTo(standby.account, standbyMark(standby));
  const settings = `primary_conninfo = '${sourceOf(standby, primary)}'\nprimary_slot_name = '${standby.name}'\n`;
  await writeFile(join(standby.dataFolder, 'postgresql.auto.conf'), settings);
}

/** Makes a server's data anew, as a standby's, by a base backup of the running primary; the npm package has no pg_basebackup. */
export async function cloneAsStandby(
  standby: PostgresProcess,
  primary: PostgresProcess,
  options: Signalled,
): Promise<void> {
  await standby.dismantle();
  await rm(standby.dataFolder, { recursive: true, force: true });
  await reserveSlot(primary, standby.name, options); // first, so that no WAL the copy needs is removed
  const label = await inBackupMode(
    primary,
    () => copyLiveData(primary.dataFolder, standby.dataFolder),
    options,
  );
  await writeFile(join(standby.dataFolder, 'backup_label'), label);
  await makeStandby(standby, primary, options);
  await giveTo(standby.account, standby.dataFolder);
}

/** Points a standby at another primary, without a restart if it runs; `false` when their histories have parted. */
export async function repointStandby(
  standby: PostgresProcess,
  primary: PostgresProcess,
  options: Signalled,
): Promise<boolean> {
  const seen = standby.running ? standby.log().length : 0;
  if (standby.running) {
    await reserveSlot(primary, standby.name, options);
    await standby.query(`alter system set primary_conninfo = '${sourceOf(standby, primary)}'`, [], options);
    await standby.query('select pg_reload_conf()', [], options);
  } else {
    await makeStandby(standby, primary, options);
    await standby.start(options);
  }
  const parted = /forked off current database|ahead of the WAL flush|not in this server's history/;
  const outcome = await waitFor(
    async () => {
      if (await isStreaming(standby, primary, options)) return 'streams';
      return parted.test(standby.log().slice(seen)) && 'parted';
    },
    { intervalMs: 10, signal: options.signal, message: () => describe(standby, primary) },
  );
  return outcome === 'streams';
}

/** Resolves when the primary counts the server among its standbys. */
export async function untilStreaming(
  standby: PostgresProcess,
  primary: PostgresProcess,
  options: Signalled,
): Promise<void> {
  await waitFor(() => isStreaming(standby, primary, options), {
    intervalMs: 10,
    signal: options.signal,
    message: () => describe(standby, primary),
  });
}

async function isStreaming(
  standby: PostgresProcess,
  primary: PostgresProcess,
  options: Signalled,
): Promise<boolean> {
  const text = `select from pg_stat_replication where application_name = $1 and state = 'streaming'`;
  return (await primary.query(text, [standby.name], options)).length > 0;
}

async function reserveSlot(primary: PostgresProcess, slot: string, options: Signalled): Promise<void> {
  const text = `select pg_create_physical_replication_slot($1, true)
                where not exists (select from pg_replication_slots where slot_name = $1)`;
  await primary.query(text, [slot], options);
}

/** Runs `work` between the start and the stop of a base backup, and returns the backup's label. */
async function inBackupMode(
  primary: PostgresProcess,
  work: () => Promise<void>,
  options: Signalled,
): Promise<string> {
  return withConnection(
    primary.adminUrl,
    async (client) => {
      const [start, stop] = await backupStatements(client);
      await client.query(start);
      await work();
      const { rows } = await client.query<{ labelfile: string }>(stop);
      return rows[0]?.labelfile ?? '';
    },
    options,
  );
}

/** Postgres 15 renamed them. */
async function backupStatements(client: pg.Client): Promise<readonly [start: string, stop: string]> {
  const { rows } = await client.query<{ server_version_num: string }>('show server_version_num');
  return Number(rows[0]?.server_version_num) >= 150_000
    ? [`select pg_backup_start('clone', true)`, 'select labelfile from pg_backup_stop(false)']
    : [`select pg_start_backup('clone', true, false)`, 'select labelfile from pg_stop_backup(false)'];
}

function standbyMark(server: PostgresProcess): string {
  return join(server.dataFolder, 'standby.signal');
}

function sourceOf(standby: PostgresProcess, primary: PostgresProcess): string {
  return `host=127.0.0.1 port=${primary.port} user=postgres application_name=${standby.name}`;
}

function describe(standby: PostgresProcess, primary: PostgresProcess): string {
  return `${standby.name} to stream from ${primary.name}. It said:\n${standby.log({ lines: 12 })}`;
}
