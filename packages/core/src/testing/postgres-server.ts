import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import type { Signalled } from '../kernel/abort.js';
import { PandoError } from '../kernel/errors.js';
import { freePort } from './free-port.js';
import { GuardedProcess } from './guarded-process.js';
import type { Account } from './postgres-account.js';
import { switchTo } from './postgres-account.js';
import type { PostgresBinaries } from './postgres-binaries.js';
import { copyLiveData, exists, giveTo } from './postgres-files.js';
import type { Row } from './postgres-query.js';
import { queryOnce, withConnection } from './postgres-query.js';
import { formatConnectionInfo } from './postgres-settings.js';
import { waitFor } from './wait-for.js';

const execute = promisify(execFile);
const startTimeoutMs = 60_000;

/** What the servers of one cluster have in common. */
export interface ServerHome {
  readonly binaries: PostgresBinaries;
  readonly account: Account;
  /** Holds the servers' sockets and logs. */
  readonly folder: string;
  /** Holds the servers' data, each in a folder of its own. */
  readonly dataFolder: string;
  readonly user: string;
  readonly database: string;
}

/** A Postgres server ended before it was ready. The message holds the last lines of its log. */
export class ServerStartError extends PandoError {
  constructor(name: string, log: string) {
    super({
      code: 'PANDO_TESTING_SERVER_START',
      message: `The Postgres server "${name}" ended before it was ready. It said:\n${log}`,
    });
  }
}

/** One real Postgres server of a test cluster, and everything that can befall it. */
export class TestServer {
  /** `primary`, `replica_1`, `replica_2`, … as it was when the cluster was made. */
  readonly name: string;
  readonly #home: ServerHome;
  #port: number;
  #portIsFixed: boolean;
  #starts = 0;
  #process: GuardedProcess | undefined;

  /** @internal */
  constructor(name: string, home: ServerHome, port: number | undefined) {
    this.name = name;
    this.#home = home;
    this.#port = port ?? 0;
    this.#portIsFixed = port !== undefined;
  }

  /** Stays the same from the first start on. */
  get port(): number {
    return this.#port;
  }

  /** Connection URL of the cluster's database, with the cluster's user. */
  get url(): string {
    const { user, database } = this.#home;
    return `postgres://${encodeURIComponent(user)}@127.0.0.1:${this.#port}/${encodeURIComponent(database)}`;
  }

  /** The data folder. */
  get dataFolder(): string {
    return join(this.#home.dataFolder, this.name);
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** The process id of the postmaster; `undefined` while the server is down. */
  get pid(): number | undefined {
    return this.running ? this.#process?.pid : undefined;
  }

  /** What the server has logged since its last start. */
  log(): string {
    return this.#process?.output() ?? '';
  }

  /** Runs one statement as superuser on a connection of its own and returns its rows. */
  async query(text: string, values: readonly unknown[] = [], options: Signalled = {}): Promise<Row[]> {
    return queryOnce(this.#adminUrl, text, values, options);
  }

  /** Starts the server and waits until it accepts connections; does nothing while it runs. */
  async start({ signal }: Signalled = {}): Promise<void> {
    if (this.running) return;
    for (let attempt = 1; !this.#portIsFixed; attempt++) {
      this.#port = await freePort();
      try {
        await this.#launch(signal);
        this.#portIsFixed = true;
      } catch (error) {
        // Between the search for a port and the server's own bind another process may have taken it.
        if (attempt === 5 || !this.log().includes('could not bind')) throw error;
      }
    }
    if (!this.running) await this.#launch(signal);
  }

  /** Ends the server as an administrator would: connections are closed with 57P01, everything is written. */
  async stop({ signal }: Signalled = {}): Promise<void> {
    await this.#process?.end('SIGINT', { signal });
  }

  /** SIGKILL to the server and all its processes. The data stays; {@link TestServer.start} recovers it. */
  async kill({ signal }: Signalled = {}): Promise<void> {
    await this.#process?.kill({ signal });
  }

  /** Stops all processes of the server where they are: connections stay open and are accepted, nothing answers. */
  freeze(): void {
    this.#process?.freeze();
  }

  /** Lets a frozen server go on. */
  thaw(): void {
    this.#process?.thaw();
  }

  /** Ends one connection from the server's side, by the pid that `pg_backend_pid()` told, with 57P01. */
  async killBackend(pid: number, options: Signalled = {}): Promise<void> {
    await this.query('select pg_terminate_backend($1)', [pid], options);
  }

  /** A standby stops applying what it receives, until {@link TestServer.resumeReplay}: its data stays as it is now. */
  async pauseReplay(options: Signalled = {}): Promise<void> {
    await this.query('select pg_wal_replay_pause()', [], options);
    await waitFor(
      async () => (await this.#one('select pg_get_wal_replay_pause_state() as value', options)) === 'paused',
      {
        intervalMs: 5,
        signal: options.signal,
        message: `${this.name} to pause`,
      },
    );
  }

  /** A standby goes on applying. */
  async resumeReplay(options: Signalled = {}): Promise<void> {
    await this.query('select pg_wal_replay_resume()', [], options);
  }

  /** A standby shows each commit this much later than the primary; 0 ends the delay. */
  async delayReplay(delayMs: number, options: Signalled = {}): Promise<void> {
    await this.query(
      `alter system set recovery_min_apply_delay = '${Math.max(0, Math.round(delayMs))}ms'`,
      [],
      options,
    );
    await this.query('select pg_reload_conf()', [], options);
  }

  /** A standby becomes a primary on a timeline of its own; resolves when it takes writes. */
  async promote(options: Signalled = {}): Promise<void> {
    await this.query('select pg_promote(wait => true)', [], options);
  }

  /**
   * Follows another server from now on.
   *
   * A standby is pointed at it; one whose history has parted from the other's, and a former primary, lose their data
   * and are cloned from it. Resolves when the server streams.
   */
  async follow(primary: TestServer, options: Signalled = {}): Promise<void> {
    const isStandby = await exists(join(this.dataFolder, 'standby.signal'));
    if (!isStandby || !(await this.#repoint(primary, options))) {
      await this.close('SIGQUIT');
      await rm(this.dataFolder, { recursive: true, force: true });
      await this.cloneFrom(primary, options);
      await this.start(options);
    }
    await this.streamsFrom(primary, options);
  }

  /** Makes the data folder, which must not exist, as a copy of a running primary's. @internal */
  async cloneFrom(primary: TestServer, options: Signalled = {}): Promise<void> {
    await primary.#reserveSlot(this.name, options);
    const label = await primary.#inBackupMode(
      () => copyLiveData(primary.dataFolder, this.dataFolder),
      options,
    );
    await writeFile(join(this.dataFolder, 'backup_label'), label);
    await this.configureStandby(primary, options);
    await giveTo(this.#home.account, this.dataFolder);
  }

  /** Makes the data that of a standby. @internal */
  async configureStandby(primary: TestServer, options: Signalled = {}): Promise<void> {
    await primary.#reserveSlot(this.name, options);
    const mark = join(this.dataFolder, 'standby.signal');
    await writeFile(mark, '');
    await giveTo(this.#home.account, mark);
    await writeFile(
      join(this.dataFolder, 'postgresql.auto.conf'),
      `primary_conninfo = '${formatConnectionInfo(primary.port, this.name)}'\nprimary_slot_name = '${this.name}'\n`,
    );
  }

  /** Resolves when the primary counts this server among its standbys. @internal */
  async streamsFrom(primary: TestServer, options: Signalled = {}): Promise<void> {
    await waitFor(() => primary.#streamsTo(this.name, options), {
      intervalMs: 10,
      signal: options.signal,
      message: () => `${this.name} to stream from ${primary.name}. It said:\n${lastLines(this.log())}`,
    });
  }

  /** Ends the server without ceremony and removes what a killed one leaves in the system. @internal */
  async close(request: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    await this.#process?.end(request);
    const lock = await readFile(join(this.dataFolder, 'postmaster.pid'), 'utf8').catch(() => '');
    const segment = lock.split('\n')[6]?.trim().split(/\s+/)[1];
    if (segment) await execute('ipcrm', ['-m', segment]).catch(() => undefined); // gone with a reboot at the latest
  }

  async #launch(signal: AbortSignal | undefined): Promise<void> {
    const { binaries, account, folder } = this.#home;
    this.#starts += 1;
    const server = await GuardedProcess.start(
      join(binaries.folder, 'postgres'),
      ['-D', this.dataFolder, '-p', String(this.#port), '-k', folder, '-c', `cluster_name=${this.name}`],
      {
        outputFile: join(folder, `${this.name}-${this.#starts}.log`),
        cwd: folder,
        env: binaries.env,
        account: switchTo(account),
        lastSignal: 'SIGQUIT', // on SIGKILL it could not give its shared memory back
      },
    );
    this.#process = server;
    try {
      await waitFor(async () => !server.running || (await this.#isReady(server.pid)), {
        intervalMs: 10,
        timeoutMs: startTimeoutMs,
        signal,
        message: () => `${this.name} to accept connections. It said:\n${lastLines(server.output())}`,
      });
    } catch (error) {
      await server.end('SIGQUIT');
      throw error;
    }
    if (!server.running) throw new ServerStartError(this.name, lastLines(server.output()));
  }

  /** The postmaster writes its state into the eighth line of its lock file. */
  async #isReady(pid: number): Promise<boolean> {
    const lock = await readFile(join(this.dataFolder, 'postmaster.pid'), 'utf8').catch(() => '');
    const lines = lock.split('\n');
    return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
  }

  get #adminUrl(): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/postgres`;
  }

  async #one(text: string, options: Signalled): Promise<unknown> {
    const [row] = await this.query(text, [], options);
    return row?.value;
  }

  async #streamsTo(standby: string, options: Signalled): Promise<boolean> {
    const text = `select from pg_stat_replication where application_name = $1 and state = 'streaming'`;
    return (await this.query(text, [standby], options)).length > 0;
  }

  async #reserveSlot(slot: string, options: Signalled): Promise<void> {
    const text = `select pg_create_physical_replication_slot($1, true)
                  where not exists (select from pg_replication_slots where slot_name = $1)`;
    await this.query(text, [slot], options);
  }

  /** Points a standby at another primary; `false` when their histories have parted. */
  async #repoint(primary: TestServer, options: Signalled): Promise<boolean> {
    const seen = this.running ? this.log().length : 0;
    if (this.running) {
      const target = formatConnectionInfo(primary.port, this.name);
      await primary.#reserveSlot(this.name, options);
      await this.query(`alter system set primary_conninfo = '${target}'`, [], options);
      await this.query('select pg_reload_conf()', [], options);
    } else {
      await this.configureStandby(primary, options);
      await this.start(options);
    }
    let streams = false;
    await waitFor(
      async () => {
        streams = await primary.#streamsTo(this.name, options);
        return streams || this.#hasParted(seen);
      },
      {
        intervalMs: 10,
        signal: options.signal,
        message: () => `${this.name} to follow ${primary.name}. It said:\n${lastLines(this.log())}`,
      },
    );
    return streams;
  }

  #hasParted(seen: number): boolean {
    return /forked off current database|ahead of the WAL flush|not in this server's history/.test(
      this.log().slice(seen),
    );
  }

  /** Runs `work` between the start and the stop of a base backup, and returns the backup's label. */
  async #inBackupMode(work: () => Promise<void>, options: Signalled): Promise<string> {
    return withConnection(
      this.#adminUrl,
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
}

/** Postgres 15 renamed them. */
async function backupStatements(client: pg.Client): Promise<readonly [start: string, stop: string]> {
  const { rows } = await client.query<{ server_version_num: string }>('show server_version_num');
  return Number(rows[0]?.server_version_num) >= 150_000
    ? [`select pg_backup_start('clone', true)`, 'select labelfile from pg_backup_stop(false)']
    : [`select pg_start_backup('clone', true, false)`, 'select labelfile from pg_stop_backup(false)'];
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-12).join('\n');
}
