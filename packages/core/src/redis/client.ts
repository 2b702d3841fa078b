import { Cluster, Redis } from 'ioredis';
import { GuardedConnector, GuardedSentinelConnector } from './connectors.js';
import type { RedisAddress, RedisCredentials, ResolvedRedisOptions } from './options.js';
import type { RedisArgument } from './ports.js';

/** What we call on a client that is ours. */
export interface RedisClient {
  readonly status: string;
  readonly options: Record<string, unknown>;
  /** The socket, once there is one; clusters have many. */
  readonly stream?: {
    readonly remoteAddress?: string;
    readonly remotePort?: number;
    cork(): void;
    uncork(): void;
  };
  connect(): Promise<unknown>;
  disconnect(): void;
  quit(): Promise<unknown>;
  call(name: string, ...args: RedisArgument[]): Promise<unknown>;
  callBuffer(name: string, ...args: RedisArgument[]): Promise<unknown>;
  pipeline(): RedisPipeline;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  ssubscribe(...channels: string[]): Promise<unknown>;
  sunsubscribe(...channels: string[]): Promise<unknown>;
  duplicate(overrides: object): RedisClient;
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: (...args: never[]) => void): unknown;
}

/** Several commands on their way out together. */
export interface RedisPipeline {
  call(name: string, ...args: RedisArgument[]): unknown;
  callBuffer(name: string, ...args: RedisArgument[]): unknown;
  exec(): Promise<readonly (readonly [Error | null, unknown])[] | null>;
}

/** What a cluster client has besides. */
export interface RedisClusterClient extends Omit<RedisClient, 'duplicate'> {
  readonly isCluster: true;
  /** For each slot the nodes that hold it as `host:port`, the master first. */
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: 'master'): readonly RedisClient[];
  /** Asks some node that it knows for the slots; emits `refresh` when they are known. */
  refreshSlotsCache(done: (cause?: unknown) => void): void;
  duplicate(nodes: readonly [], overrides: object): RedisClusterClient;
}

/** Whether a client speaks to a cluster. */
export function isCluster(client: object): client is RedisClusterClient {
  return (client as Partial<RedisClusterClient>).isCluster === true;
}

/**
 * What makes a connection ours: it never queues, never retries and never restores anything by itself.
 *
 * A connection is one life of one socket. What follows its end is decided in one place, `Link`.
 */
function ownSocket(connectTimeoutMs: number, connectionName: string): object {
  return {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    sentinelCommandTimeout: connectTimeoutMs,
    disconnectTimeout: 20, // a frozen server never closes its side
    keepAlive: 10_000,
    connectionName,
    retryStrategy: null,
    sentinelRetryStrategy: null,
    reconnectOnError: null,
    maxRetriesPerRequest: null,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    enableReadyCheck: true, // not ready while the server loads its data
    commandTimeout: undefined, // it would set a timer for each command; deadlines are ours
    socketTimeout: undefined,
    blockingTimeout: undefined,
    keyPrefix: '', // it would reach keys but not channels, nor keys inside scripts
    monitor: false,
    readOnly: false,
    protocol: 2, // replies of one shape, whatever the version of the library and of the server
    replyMapping: 'legacy',
    stringNumbers: false,
    showFriendlyErrorStack: false,
  };
}

/**
 * The same for a cluster: nothing is sent again after its caller may have been answered.
 *
 * Its nodes are connected to when first needed, so they do queue: until that connection is made or has failed.
 */
function ownCluster(redisOptions: object): object {
  return {
    redisOptions,
    lazyConnect: true,
    clusterRetryStrategy: null,
    clusterNodeRetryStrategy: null,
    enableOfflineQueue: true,
    enableReadyCheck: true,
    enableAutoPipelining: false,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshInterval: 30_000,
    shardedSubscribers: false,
    scaleReads: 'master',
    keyPrefix: '',
  };
}

/** The clients of one floor: one for commands, and a new one for announcements as often as it takes. */
export class RedisClients {
  /** Never connected by itself; the same object for the floor's whole life. */
  readonly commands: RedisClient | RedisClusterClient;
  /** Names the server in messages, without secrets. */
  readonly server: string;
  /** How long one attempt may take: asking sentinels or nodes comes before connecting. */
  readonly attemptTimeoutMs: number;
  readonly #options: ResolvedRedisOptions;
  readonly #connectionName: string;

  constructor(options: ResolvedRedisOptions, kit: string) {
    this.#options = options;
    this.#connectionName = `pando:${kit}`;
    this.commands = this.#create();
    this.commands.on('error', ignore); // the link that makes a connection listens, too; without any listener ioredis prints
    this.server = describe(options, this.commands);
    const direct = !isCluster(this.commands) && !this.commands.options.sentinels;
    this.attemptTimeoutMs = options.connectTimeoutMs * (direct ? 1 : 3);
  }

  /** The client for commands, with the credentials that are valid now. */
  async forCommands(): Promise<RedisClient | RedisClusterClient> {
    const { commands } = this;
    const credentials = await this.credentials();
    Object.assign(commands.options, credentials);
    if (isCluster(commands)) {
      // Nodes are connected to with copies of these: the first is kept by the client, the second by its pool.
      const { options, connectionPool: pool } = commands as unknown as ClusterInternals;
      for (const copy of [options.redisOptions, pool?.redisOptions])
        if (copy) Object.assign(copy, credentials);
    }
    return commands;
  }

  /** A new client for announcements; in a cluster for those of the master that holds the given slot. */
  async forAnnouncements(slot: number): Promise<RedisClient> {
    const { commands } = this;
    const credentials = await this.credentials();
    const node = isCluster(commands) ? ownerOf(commands, slot) : commands;
    if (node === undefined) throw new Error('no node to listen to is known yet');
    const socket = ownSocket(this.#options.connectTimeoutMs, `${this.#connectionName}:subscriber`);
    const client = node.duplicate({ ...socket, ...credentials });
    client.on('error', ignore);
    return client;
  }

  /** A new client for the node that the cluster names so: `host:port`. */
  ofNode(address: string, purpose: string, credentials?: RedisCredentials): RedisClient {
    const { redisOptions } = this.commands.options as { readonly redisOptions?: Record<string, unknown> };
    const socket = ownSocket(this.#options.connectTimeoutMs, `${this.#connectionName}:${purpose}`);
    const colon = address.lastIndexOf(':');
    const place = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
    const options = { ...redisOptions, ...socket, ...place, ...credentials };
    const client = new Redis(options) as unknown as RedisClient;
    client.on('error', ignore);
    return client;
  }

  /** Number of the data set on its server. */
  get database(): number {
    return Number(this.commands.options.db ?? 0);
  }

  /** Name of the master that the sentinels watch; undefined without sentinels. */
  get masterName(): unknown {
    return this.commands.options.sentinels ? this.commands.options.name : undefined;
  }

  /** A client for each sentinel; none without sentinels. */
  sentinels(): readonly RedisClient[] {
    const { sentinels, sentinelUsername, sentinelPassword, sentinelTLS } = this.commands.options;
    const access = present({ username: sentinelUsername, password: sentinelPassword, tls: sentinelTLS });
    const socket = ownSocket(this.#options.connectTimeoutMs, `${this.#connectionName}:watch`);
    return ((sentinels ?? []) as readonly RedisAddress[]).map(({ host, port }) => {
      const options = { Connector: GuardedConnector, ...access, ...socket, host, port: port ?? 26_379 };
      const client = new Redis(options) as unknown as RedisClient;
      client.on('error', ignore);
      return client;
    });
  }

  /** Those that are valid now, where they rotate. */
  async credentials(): Promise<RedisCredentials | undefined> {
    if (this.#options.credentials === undefined) return undefined;
    const { username, password } = await this.#options.credentials();
    return { username, password };
  }

  #create(): RedisClient | RedisClusterClient {
    const { target, db, username, password, tls, connectTimeoutMs } = this.#options;
    const socket = ownSocket(connectTimeoutMs, `${this.#connectionName}:commands`);
    const access = present({
      db,
      username,
      password,
      tls: tls === true ? {} : tls === false ? undefined : tls,
    });
    const own = { Connector: GuardedConnector, ...access, ...socket };
    switch (target.kind) {
      case 'client': {
        const client = target.client as unknown as RedisClient | RedisClusterClient;
        if (!isCluster(client)) return client.duplicate({ ...own, Connector: connectorOf(client.options) });
        const { redisOptions = {} } = client.options as { readonly redisOptions?: Record<string, unknown> };
        const Connector = connectorOf(redisOptions);
        return client.duplicate([], ownCluster({ ...redisOptions, ...own, Connector }));
      }
      case 'url':
        return new Redis(target.url, own) as unknown as RedisClient;
      case 'server':
        return new Redis({ ...own, ...target.address }) as unknown as RedisClient;
      case 'socket':
        return new Redis({ ...own, path: target.path }) as unknown as RedisClient;
      case 'sentinel': {
        const through = {
          ...present({ sentinelTLS: access.tls }),
          sentinels: [...target.sentinels],
          name: target.name,
          enableTLSForSentinelMode: true,
          Connector: GuardedSentinelConnector,
        };
        return new Redis({ ...own, ...through }) as unknown as RedisClient;
      }
      case 'cluster':
        return new Cluster([...target.nodes], ownCluster(own)) as unknown as RedisClusterClient;
    }
  }
}

/** The connection of a cluster client to the master that holds a slot, as far as it knows. */
export function ownerOf(cluster: RedisClusterClient, slot: number): RedisClient | undefined {
  const master = cluster.slots[slot]?.[0];
  return cluster.nodes('master').find(({ options }) => `${options.host}:${options.port}` === master);
}

interface ClusterInternals {
  readonly options: { readonly redisOptions?: Record<string, unknown> };
  readonly connectionPool?: { readonly redisOptions?: Record<string, unknown> };
}

/** Without the keys whose value is undefined: they would hide what a URL or a given client says. */
function present(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Who connects a duplicate of a client with these options: whoever the app has chosen, or our own. */
function connectorOf({ Connector, sentinels }: Record<string, unknown>): unknown {
  return Connector ?? (sentinels ? GuardedSentinelConnector : GuardedConnector);
}

/** Whether a client is connected to this address, as far as it can be told. */
export function isConnectedTo({ stream }: RedisClient, host: string, port: number): boolean {
  return (
    stream?.remotePort === port &&
    (stream.remoteAddress === host || stream.remoteAddress === `::ffff:${host}`)
  );
}

function describe(
  { target }: ResolvedRedisOptions,
  { options }: { readonly options: Record<string, unknown> },
): string {
  if (target.kind === 'cluster' || options.redisOptions !== undefined) return 'Redis cluster';
  if (options.sentinels) return `Redis master "${String(options.name)}"`;
  return options.path
    ? `Redis at ${String(options.path)}`
    : `Redis at ${String(options.host)}:${String(options.port)}`;
}

const ignore = (): void => undefined;
