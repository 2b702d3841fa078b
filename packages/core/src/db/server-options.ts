import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { type OptionsReader, readOptions } from '../kernel/options.js';

/** How to reach one server. Fields win over what `connectionString` says. */
export interface ServerOptions {
  /** `postgres://user:password@host:5432/name`, or the folder of a Unix socket. */
  readonly connectionString?: string | undefined;
  /** Name or address, or the folder of a Unix socket. @defaultValue that of `pg`: `PGHOST`, else `localhost` */
  readonly host?: string | undefined;
  /** TCP port. @defaultValue that of `pg`: `PGPORT`, else 5432 */
  readonly port?: number | undefined;
  /** Name of the database. @defaultValue that of `pg`: `PGDATABASE`, else the user's name */
  readonly database?: string | undefined;
  /** Name of the user. @defaultValue that of `pg`: `PGUSER`, else the name of the process' owner */
  readonly user?: string | undefined;
  /** A function is called for each new connection, so that credentials may rotate. */
  readonly password?: string | (() => string | Promise<string>) | undefined;
  /** As in `pg`: `true`, or options of `tls.connect`. */
  readonly ssl?: boolean | TlsOptions | undefined;
  /** Where it stands, in words of your own: reads prefer replicas of `db.zone`. */
  readonly zone?: string | undefined;
}

/** How to reach one replica, and its share of the reads. */
export interface ReplicaOptions extends ServerOptions {
  /** Share relative to the other replicas. @defaultValue `1` */
  readonly weight?: number | undefined;
  /**
   * Whether several servers answer to this name, each transaction perhaps another one, as behind a pooler or a reader
   * endpoint: every read then carries its proof with it. Known without being said behind PgBouncer. @defaultValue `false`
   */
  readonly shared?: boolean | undefined;
  /**
   * How it says how far it has come. `'none'`: not at all, for servers without a replay position: it serves reads that need none,
   * without a token or `eventual`, and all others go elsewhere. How far it is behind is unknown then, and `maxLagMs` means nothing
   * to it; its system and timeline are checked all the same. An expression of your own, where the usual function is out of reach:
   * see {@link ReplayPositionProbe}. @defaultValue `'postgres'`
   */
  readonly lagProbe?: LagProbe | undefined;
}

/** How a replica says how far it has come. */
export type LagProbe = 'postgres' | 'none' | ReplayPositionProbe;

/**
 * An SQL expression in place of `pg_last_wal_replay_lsn()`, evaluated on the replica.
 *
 * What it gives must be a position of the primary's log such that statements which begin afterwards see every commit
 * before it. Too low costs waits and reads on the primary; too high shows clients the past. Such a replica serves no
 * read at level `monotonic`: that needs to know the most that was seen, too.
 */
export interface ReplayPositionProbe {
  /** Of type `pg_lsn`, or null where nothing is known; for example `'ops.replay_position()'`. */
  readonly replayLsn: string;
}

/** How to reach one shard: a primary and its replicas. */
export interface ShardOptions {
  /** Connection URL or settings of the server that takes the shard's writes. */
  readonly primary: string | ServerOptions | readonly (string | ServerOptions)[] | undefined;
  /** Streaming replicas of that primary. @defaultValue `[]` */
  readonly replicas?: readonly (string | ReplicaOptions)[] | undefined;
}

/** A server's options, normalised. */
export interface ResolvedServer extends ServerOptions {
  /** Option path, for messages: `db.primary`, `db.replicas[0]`. */
  readonly path: string;
  readonly weight: number;
  readonly shared: boolean;
  readonly lagProbe: LagProbe;
}

/** A shard's servers; one that is the whole database is called `main`. */
export interface ResolvedShard {
  /** Its name, which tokens hold, too. */
  readonly shard: string;
  /** One of them takes writes. */
  readonly primary: readonly ResolvedServer[];
  readonly replicas: readonly ResolvedServer[];
}

/** Defaults of {@link ReplicaOptions}. */
export const replicaDefaults = Object.freeze({ weight: 1, shared: false, lagProbe: 'postgres' as const });

const serverShape =
  'a connection URL such as "postgres://user@host:5432/name", or an object of connection settings';

/** Reads the servers of each shard: the one called `main` where there are no `shards`. */
export function readShards(reader: OptionsReader): readonly ResolvedShard[] {
  const value = reader.any('shards');
  if (value === undefined) return [readShard('main', 'db', reader)];
  for (const key of ['primary', 'replicas'])
    if (reader.any(key) !== undefined) reader.fail(key, 'left out: each of db.shards has its own');
  const refuse = () => reader.fail('shards', 'an object with 1 to 64 shards, each with its primary');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse();
  const shards = Object.entries(value).map(([shard, options]) => {
    if (!/^[A-Za-z0-9_-]{1,32}$/.test(shard))
      reader.fail('shards', 'an object whose names are 1 to 32 letters, digits, "-" or "_"');
    const path = `db.shards.${shard}`;
    const servers = readOptions(path, options);
    const resolved = readShard(shard, path, servers);
    servers.done();
    return resolved;
  });
  return shards.length === 0 || shards.length > 64 ? refuse() : shards;
}

function readShard(shard: string, path: string, reader: OptionsReader): ResolvedShard {
  return { shard, primary: readPrimary(reader, path), replicas: readReplicas(reader, path) };
}

function readPrimary(reader: OptionsReader, path: string): readonly ResolvedServer[] {
  const value = reader.any('primary');
  const refuse = () => reader.fail('primary', `${serverShape}, or an array of these`);
  if (!Array.isArray(value)) return [readServer(`${path}.primary`, value, refuse)];
  if (value.length === 0) refuse();
  return value.map((entry, index) => readServer(`${path}.primary[${index}]`, entry, refuse));
}

function readReplicas(reader: OptionsReader, path: string): readonly ResolvedServer[] {
  const value = reader.any('replicas', []);
  const refuse = () => reader.fail('replicas', `an array, each entry ${serverShape}`);
  if (!Array.isArray(value)) return refuse();
  return value.map((entry, index) => readServer(`${path}.replicas[${index}]`, entry, refuse));
}

function readServer(path: string, value: unknown, refuse: () => never): ResolvedServer {
  if (typeof value === 'string' && value !== '') return { path, connectionString: value, ...replicaDefaults };
  if (typeof value !== 'object' || value === null) return refuse();
  const reader = readOptions(path, value);
  const password = reader.any('password');
  if (password !== undefined && typeof password !== 'string' && typeof password !== 'function') {
    reader.failUnshown('password', 'a text, or a function that gives it');
  }
  const isPrimary = /\.primary(\[\d+\])?$/.test(path);
  const server: ResolvedServer = {
    path,
    connectionString: reader.string('connectionString', undefined),
    host: reader.string('host', undefined),
    port: reader.int('port', undefined, { min: 1, max: 65_535 }),
    database: reader.string('database', undefined),
    user: reader.string('user', undefined),
    password: password as ServerOptions['password'],
    ssl: readSsl(reader),
    zone: reader.string('zone', undefined),
    weight: isPrimary ? replicaDefaults.weight : readWeight(reader),
    shared: isPrimary ? replicaDefaults.shared : reader.boolean('shared', replicaDefaults.shared),
    lagProbe: isPrimary ? replicaDefaults.lagProbe : readLagProbe(reader),
  };
  reader.done();
  return server;
}

function readSsl(reader: OptionsReader): ServerOptions['ssl'] {
  const value = reader.any('ssl');
  if (value === undefined || typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null)
    reader.fail('ssl', 'true, false or options of tls.connect');
  return value as TlsOptions;
}

function readLagProbe(server: OptionsReader): LagProbe {
  const value = server.any('lagProbe', replicaDefaults.lagProbe);
  if (value === 'postgres' || value === 'none') return value;
  if (typeof value !== 'object' || value === null)
    return server.fail('lagProbe', '"postgres", "none", or an object with a `replayLsn`');
  const reader = server.nested('lagProbe');
  const replayLsn = reader.string('replayLsn', undefined);
  if (replayLsn === undefined) reader.fail('replayLsn', 'an SQL expression of type pg_lsn');
  reader.done();
  return { replayLsn: replayLsn as string };
}

function readWeight(reader: OptionsReader): number {
  const value = reader.any('weight', replicaDefaults.weight);
  if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value))
    reader.fail('weight', 'a positive number');
  return value as number;
}
