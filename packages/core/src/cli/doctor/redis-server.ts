import { Cluster, Redis } from 'ioredis';
import type { FleetMember } from '../../kernel/fleet.js';
import { createKeys, type Keys } from '../../kernel/keys.js';
import { GuardedConnector } from '../../redis/connectors.js';
import { type Refusal, refusalOf } from './redis-refusal.js';
import { placeOf, withoutSecrets } from './words.js';

/** What there is to see of one Redis server. */
export interface RedisServer {
  /** `host:port`. */
  readonly label: string;
  /** All of `INFO`; in a cluster of `CLUSTER INFO`, too. Where that is not permitted, what the greeting says. */
  readonly info: ReadonlyMap<string, string>;
  /** Settings by name; without those that this user may not ask for. */
  readonly settings: ReadonlyMap<string, string>;
  /** Of a command that costs nothing, the median. */
  readonly roundTripMs: number;
  /** Why it does not run what rooms run on keys of the kit, or does not let its channels be heard. */
  readonly refusal: Refusal | undefined;
  /** Who holds a lease in the kit's fleet; undefined where that cannot be read. */
  readonly members: readonly FleetMember[] | undefined;
}

/** Where to look, and for how long. */
export interface RedisPlaceOptions {
  readonly url: string;
  /** The kit's name. */
  readonly name: string;
  readonly timeoutMs: number;
}

const settingNames = [
  'maxmemory',
  'maxmemory-policy',
  'maxclients',
  'client-output-buffer-limit',
  'min-replicas-to-write',
  'cluster-require-full-coverage',
];

/** Looks at a server, and changes nothing there; rejects when it cannot be reached or lets nobody in. */
export async function lookAtRedis({ url, name, timeoutMs }: RedisPlaceOptions): Promise<RedisServer> {
  const options = connectionOptions(timeoutMs);
  const { protocol, pathname } = new URL(url);
  const client =
    protocol === 'unix:'
      ? new Redis({ ...options, path: decodeURIComponent(pathname) })
      : new Redis(url, options);
  let lastError: unknown;
  client.on('error', (cause: unknown) => {
    lastError = cause;
  });
  try {
    await client.connect().catch((cause: unknown) => {
      throw lastError ?? cause;
    });
    const keys = createKeys(name, client.options.db);
    const info = await infoOf(client);
    if (info.get('redis_mode') === 'sentinel') throw new Error(await mastersOf(client));
    const home = info.get('cluster_enabled') === '1' ? clusterOf(client, timeoutMs) : client;
    try {
      return {
        label: placeOf(url, 6_379),
        info,
        settings: await settingsOf(client),
        roundTripMs: await roundTripOf(client),
        refusal: hidden(await refusalOf(home, client, keys), url),
        members: await membersOf(home, keys).catch(() => undefined),
      };
    } finally {
      if (home !== client) home.disconnect();
    }
  } finally {
    client.disconnect();
  }
}

function connectionOptions(timeoutMs: number) {
  return {
    Connector: GuardedConnector,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    disconnectTimeout: 200, // who does not say farewell is left
    connectionName: 'pando-doctor',
    retryStrategy: null as unknown as undefined, // one attempt: a report of now
    maxRetriesPerRequest: 0,
    enableReadyCheck: false, // a server that loads its data is worth a look, too
  };
}

/** A client that finds the node which has the kit's home. */
function clusterOf({ options }: Redis, timeoutMs: number): Cluster {
  const { host = 'localhost', port = 6_379, username, password, tls } = options;
  const redisOptions = { ...connectionOptions(timeoutMs), username, password, ...(tls ? { tls } : {}) };
  const cluster = new Cluster([{ host, port }], {
    redisOptions,
    clusterRetryStrategy: () => null,
    slotsRefreshTimeout: timeoutMs,
  });
  cluster.on('error', () => undefined); // what is asked of it rejects
  return cluster;
}

function hidden(refusal: Refusal | undefined, url: string): Refusal | undefined {
  return refusal && { ...refusal, message: withoutSecrets(refusal.message, url) };
}

async function infoOf(client: Redis): Promise<ReadonlyMap<string, string>> {
  try {
    const info = fieldsOf(await client.info());
    if (info.get('cluster_enabled') !== '1') return info;
    const cluster = await client.call('CLUSTER', 'INFO').catch(() => '');
    return new Map([...info, ...fieldsOf(String(cluster))]);
  } catch (cause) {
    if (!/^NOPERM|unknown command/.test((cause as Error).message)) throw cause;
    return greetingOf(client);
  }
}

/** What anybody who may come in is told: many providers, and `-@dangerous`, keep `INFO` from the app. */
async function greetingOf(client: Redis): Promise<ReadonlyMap<string, string>> {
  const said = (await client.call('HELLO')) as readonly unknown[];
  const of = (name: string) => String(said[said.indexOf(name) + 1]);
  return new Map([
    ['redis_version', of('version')],
    ['redis_mode', of('mode')],
    ['cluster_enabled', of('mode') === 'cluster' ? '1' : '0'],
    ['role', of('role') === 'master' ? 'master' : 'slave'],
  ]);
}

async function mastersOf(client: Redis): Promise<string> {
  const masters = ((await client.call('SENTINEL', 'MASTERS').catch(() => [])) ?? []) as string[][];
  const told = masters.map((fields) => {
    const of = (name: string) => fields[fields.indexOf(name) + 1];
    return `${of('name')} at ${of('ip')}:${of('port')}`;
  });
  return `a sentinel and no server; it watches ${told.join(', ') || 'nothing'}`;
}

/** `name:value` in each line. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\r\n').flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return line.startsWith('#') || colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
    }),
  );
}

async function settingsOf(client: Redis): Promise<ReadonlyMap<string, string>> {
  const answers = settingNames.map(async (name): Promise<[string, string][]> => {
    const [, value] = ((await client.call('CONFIG', 'GET', name).catch(() => [])) ?? []) as string[];
    return value === undefined ? [] : [[name, value]];
  });
  return new Map((await Promise.all(answers)).flat());
}

async function roundTripOf(client: Redis): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 9; n++) {
    const startedAt = performance.now();
    await client.call('PING');
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b)[4] as number;
}

/** Those whose lease has not ended by the server's clock, and what each says of itself. */
async function membersOf(home: Redis | Cluster, keys: Keys): Promise<readonly FleetMember[]> {
  const key = keys.atomic('fleet');
  const script = `local t = redis.call('TIME')
    return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', t[1] * 1000 + t[2] / 1000), '+inf')`;
  const ids = (await home.call('EVAL', script, '1', key)) as string[];
  if (ids.length === 0) return [];
  const texts = await home.hmget(keys.atomic('fleet-descriptions'), ...ids);
  return ids.map((id, at) => ({ id, description: described(texts[at]) }));
}

function described(text: string | null | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
