import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { type OptionsReader, readOptions } from '../kernel/options.js';
import { isRedisClient, type RedisClientLike } from './given-client.js';

/** Where one Redis process listens. */
export interface RedisAddress {
  /** Name or address. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
}

/** Name and password of a Redis user. */
export interface RedisCredentials {
  /** Name of the user. @defaultValue the one of the URL, else Redis' default user */
  readonly username?: string | undefined;
  /** Password of the user. */
  readonly password?: string | undefined;
}

/** Gives the credentials that are valid now. */
export type CredentialsSource = () => RedisCredentials | Promise<RedisCredentials>;

/** How to reach Redis, and how patient to be with it. Name the server in one way: `url`, `host`, `path`, `sentinels`, `nodes` or `client`. */
export interface RedisOptions extends RedisCredentials {
  /** `redis://user:password@host:6379/0`, or `rediss://` for TLS. */
  readonly url?: string | undefined;
  /** Name or address of one server. */
  readonly host?: string | undefined;
  /** TCP port of `host`. @defaultValue `6379` */
  readonly port?: number | undefined;
  /** A Unix socket. */
  readonly path?: string | undefined;
  /** Sentinels that know the master called `name`. */
  readonly sentinels?: readonly RedisAddress[] | undefined;
  /** Name of the master that the sentinels watch. */
  readonly name?: string | undefined;
  /** Some nodes of a cluster. */
  readonly nodes?: readonly RedisAddress[] | undefined;
  /** A ready ioredis 5 or 6 client: duplicated with timeouts of our own; never used itself, closed or reconfigured. */
  readonly client?: RedisClientLike | undefined;
  /** Number of the database; clusters have only 0. @defaultValue `0` */
  readonly db?: number | undefined;
  /** `true`, or the options of `tls.connect`. @defaultValue `false`, `true` for `rediss://` */
  readonly tls?: boolean | TlsOptions | undefined;
  /** Gives the credentials anew before every connection attempt, for ones that rotate. */
  readonly credentials?: CredentialsSource | undefined;

  /** Time that a command may take before its caller gets `RedisUnavailableError`. @defaultValue `150` */
  readonly commandTimeoutMs?: number | undefined;
  /** Time that one connection attempt may take; three times as long through sentinels and in clusters. @defaultValue `1_000` */
  readonly connectTimeoutMs?: number | undefined;
  /** Time that the start waits for Redis before it goes on without. @defaultValue `5_000` */
  readonly startTimeoutMs?: number | undefined;
  /** Silence after which announcements are checked; after twice that much they count as missing. @defaultValue `1_000` */
  readonly probeIntervalMs?: number | undefined;
  /** Time after which an instance that stopped renewing its lease counts as gone. @defaultValue `15_000` */
  readonly leaseMs?: number | undefined;
}

/** A URL, options, or a ready ioredis 5 or 6 client, `Redis` or `Cluster`. */
export type RedisOption = string | RedisOptions | RedisClientLike;

/** What applies when an option is absent. */
export const redisDefaults = Object.freeze({
  port: 6_379,
  db: 0,
  commandTimeoutMs: 150,
  connectTimeoutMs: 1_000,
  startTimeoutMs: 5_000,
  probeIntervalMs: 1_000,
  leaseMs: 15_000,
});

/** Which server or servers, after checking. */
export type RedisTarget =
  | { readonly kind: 'client'; readonly client: RedisClientLike }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'server'; readonly address: RedisAddress }
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'sentinel'; readonly sentinels: readonly RedisAddress[]; readonly name: string }
  | { readonly kind: 'cluster'; readonly nodes: readonly RedisAddress[] };

/** Checked options with all defaults filled in. */
export interface ResolvedRedisOptions extends RedisCredentials {
  readonly target: RedisTarget;
  readonly db: number | undefined;
  readonly tls: boolean | TlsOptions;
  readonly credentials: CredentialsSource | undefined;
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly probeIntervalMs: number;
  readonly leaseMs: number;
}

/** Checks a Redis option; throws `PandoOptionsError` naming what is wrong. */
export function resolveRedisOptions(option: RedisOption): ResolvedRedisOptions {
  const options =
    typeof option === 'string' ? { url: option } : isRedisClient(option) ? { client: option } : option;
  const read = readOptions('redis', options);
  const resolved: ResolvedRedisOptions = {
    target: readTarget(read),
    username: read.string('username', undefined),
    password: read.string('password', undefined),
    credentials: read.fn<CredentialsSource, undefined>('credentials', undefined),
    db: read.int('db', undefined), // absent: what the URL or the client says
    tls: readTls(read),
    commandTimeoutMs: read.ms('commandTimeoutMs', redisDefaults.commandTimeoutMs),
    connectTimeoutMs: read.ms('connectTimeoutMs', redisDefaults.connectTimeoutMs),
    startTimeoutMs: read.ms('startTimeoutMs', redisDefaults.startTimeoutMs),
    probeIntervalMs: read.ms('probeIntervalMs', redisDefaults.probeIntervalMs, { min: 10 }),
    leaseMs: read.ms('leaseMs', redisDefaults.leaseMs, { min: 100 }),
  };
  read.done();
  return resolved;
}

const ports = Object.freeze({ min: 1, max: 65_535 });
const ways = ['url', 'host', 'path', 'sentinels', 'nodes', 'client'] as const;

function readTarget(read: OptionsReader): RedisTarget {
  const given = ways.filter((way) => read.any(way) !== undefined);
  const [way, another] = given;
  if (way === undefined) read.fail('url', `given, or one of ${ways.slice(1).join(', ')}`);
  if (another !== undefined) read.fail(another, `absent when redis.${way} is given`);
  const port = read.int('port', redisDefaults.port, ports);
  const name = read.string('name', undefined);
  switch (way) {
    case 'url':
      return { kind: 'url', url: readUrl(read) };
    case 'host':
      return { kind: 'server', address: { host: read.string('host', 'localhost'), port } };
    case 'path':
      return { kind: 'socket', path: read.string('path', '') };
    case 'sentinels':
      if (name === undefined) read.fail('name', 'the name of the master that the sentinels watch');
      return { kind: 'sentinel', sentinels: readAddresses(read, 'sentinels'), name };
    case 'nodes':
      return { kind: 'cluster', nodes: readAddresses(read, 'nodes') };
    case 'client': {
      const client = read.any('client');
      if (!isRedisClient(client)) read.fail('client', 'an ioredis 5 or 6 client');
      return { kind: 'client', client };
    }
  }
}

function readUrl(read: OptionsReader): string {
  const url = read.any('url');
  const scheme = typeof url === 'string' && URL.canParse(url) ? new URL(url).protocol : undefined;
  if (scheme !== 'redis:' && scheme !== 'rediss:')
    read.fail('url', 'a redis:// or rediss:// URL such as "redis://localhost:6379"');
  return url as string;
}

function readAddresses(read: OptionsReader, key: 'sentinels' | 'nodes'): readonly RedisAddress[] {
  const list = read.any(key);
  const isObject = (entry: unknown) => typeof entry === 'object' && entry !== null;
  if (!Array.isArray(list) || list.length === 0 || !list.every(isObject))
    read.fail(key, 'a list of { host, port }');
  return list.map((entry: unknown, index) => {
    const address = readOptions(`redis.${key}[${index}]`, entry);
    const host = address.string('host', undefined) ?? address.fail('host', 'a non-empty string');
    const port =
      address.int('port', undefined, ports) ?? address.fail('port', 'a whole number from 1 to 65535');
    address.done();
    return { host, port };
  });
}

function readTls(read: OptionsReader): boolean | TlsOptions {
  const tls = read.any('tls', false);
  if (typeof tls !== 'boolean' && (typeof tls !== 'object' || tls === null))
    read.fail('tls', 'true, false or the options of tls.connect');
  return tls as boolean | TlsOptions;
}
