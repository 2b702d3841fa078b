import { createServer } from 'node:http';
import { createPando } from '@pando/core';
import { interopDefaults } from '../../../packages/core/src/cache/interop-messages.js';
import { cacheDefaults, resolveCacheOptions } from '../../../packages/core/src/cache/options.js';
import { databaseDefaults, resolveDatabaseOptions } from '../../../packages/core/src/db/options.js';
import { replicaDefaults } from '../../../packages/core/src/db/server-options.js';
import {
  checkDefaults,
  healthDefaults,
  resolveHealthOptions,
} from '../../../packages/core/src/health/options.js';
import { Door } from '../../../packages/core/src/http/door.js';
import { Doorway, doorwayDefaults } from '../../../packages/core/src/http/doorway.js';
import { httpDefaults, resolveHttpOptions } from '../../../packages/core/src/http/http-options.js';
import {
  resolveResponseCacheOptions,
  responseCacheDefaults,
} from '../../../packages/core/src/http/response-cache-options.js';
import { checkSsePlan } from '../../../packages/core/src/http/sse-plan.js';
import { resolveWsRoutes, wsRouteDefaults } from '../../../packages/core/src/http/ws-route.js';
import { jobsDefaults, resolveJobsOptions } from '../../../packages/core/src/jobs/options.js';
import { lifecycleDefaults, resolveLifecycleOptions } from '../../../packages/core/src/lifecycle/options.js';
import { limitsDefaults, resolveLimitsOptions } from '../../../packages/core/src/limits/options.js';
import { metricsDefaults, resolveMetricsOptions } from '../../../packages/core/src/metrics/options.js';
import { pandoDefaults, resolvePandoOptions } from '../../../packages/core/src/options.js';
import { overloadDefaults, resolveOverloadOptions } from '../../../packages/core/src/overload/options.js';
import { realtimeDefaults, resolveRealtimeOptions } from '../../../packages/core/src/realtime/options.js';
import { redisDefaults, resolveRedisOptions } from '../../../packages/core/src/redis/options.js';

/** An object with options. */
export type Options = Readonly<Record<string, unknown>>;

/** Options that one reader checks, and where they are declared. */
export interface OptionsSection {
  readonly title: string;
  readonly intro: string;
  /** The first part of the paths in messages. */
  readonly path: string;
  /** Module and name of the type. */
  readonly type: readonly [file: string, name: string];
  /** What applies where nothing is said, at the same paths as the options; inside an object that is off by default, at `key{}`. */
  readonly defaults: Options;
  /** The reader that the library itself uses; throws or rejects for what it refuses. */
  read(options: never): unknown;
  /** By path of an object: what must be in it for the reader to look at the rest. */
  readonly needed?: Readonly<Record<string, Options>>;
  /** By path of an option: what is beside it instead, where the two exclude each other. */
  readonly instead?: Readonly<Record<string, Options>>;
  /** Members whose own sections are elsewhere. */
  readonly opaque?: readonly string[];
  /** Names that the reader knows and another section describes. */
  readonly borrowed?: readonly string[];
}

const src = 'packages/core/src';

/** Every reader of options, in the order of the reference. */
export async function optionsSections(): Promise<readonly OptionsSection[]> {
  return [...rooms, ...(await door())];
}

const standalone =
  'Used alone, the room takes `redis` and `name`, too; in a kit, those are said once for all rooms.';

const rooms: readonly OptionsSection[] = [
  {
    title: 'createPando',
    intro: "What all rooms share, and each room's own options below its name.",
    path: '',
    type: [`${src}/options.ts`, 'PandoOptions'],
    defaults: pandoDefaults,
    read: resolvePandoOptions,
    opaque: [
      'redis',
      'db',
      'cache',
      'realtime',
      'limits',
      'jobs',
      'overload',
      'health',
      'metrics',
      'lifecycle',
    ],
  },
  {
    title: 'redis',
    intro:
      'A URL, a ready ioredis 5 or 6 client, or these. Name the server in one way: `url`, `host`, `path`, `sentinels`, `nodes` or `client`.',
    path: 'redis',
    type: [`${src}/redis/options.ts`, 'RedisOptions'],
    defaults: redisDefaults,
    read: resolveRedisOptions,
    needed: {
      redis: { host: 'redis1' },
      'redis.nodes[]': { host: 'redis1', port: 7_000 },
      'redis.sentinels[]': { host: 'sentinel1', port: 26_379 },
    },
    instead: {
      'redis.url': {},
      'redis.path': {},
      'redis.client': {},
      'redis.nodes': {},
      'redis.sentinels': { name: 'main' },
    },
  },
  {
    title: 'db',
    intro: 'One primary and its streaming replicas, and the pool that each of them has.',
    path: 'db',
    type: [`${src}/db/options.ts`, 'DatabaseOptions'],
    defaults: {
      ...databaseDefaults,
      'replicas[]': replicaDefaults,
      'shards.<name>': { replicas: databaseDefaults.replicas, 'replicas[]': replicaDefaults },
    },
    read: resolveDatabaseOptions,
    needed: {
      db: { primary: 'postgres://db1/app' },
      'db.primary': { host: 'db1' },
      'db.replicas[]': { host: 'db2' },
      'db.shards.<name>': { primary: 'postgres://db1/app' },
      'db.shards.<name>.primary': { host: 'db1' },
      'db.shards.<name>.replicas[]': { host: 'db2' },
      'db.sharding.ranges[]': { shard: 'a' },
      'db.sharding.directory.<name>': { shard: 'a' },
    },
    instead: {
      'db.shards': {},
      'db.sharding': { shards: { a: { primary: 'postgres://db1/app' } } },
      'db.sharding.ranges': { strategy: 'range' },
    },
  },
  {
    title: 'cache',
    intro: `Values in the process, and in Redis where there is one. ${standalone}`,
    path: 'cache',
    type: [`${src}/cache/options.ts`, 'CacheOptions'],
    defaults: { ...cacheDefaults, 'interop{}': interopDefaults },
    read: resolveCacheOptions,
    opaque: ['redis'],
  },
  {
    title: 'realtime',
    intro: `Channels, their history, and the connections that follow them. ${standalone}`,
    path: 'realtime',
    type: [`${src}/realtime/options.ts`, 'RealtimeOptions'],
    defaults: realtimeDefaults,
    read: resolveRealtimeOptions,
    needed: { 'realtime.reconnect': { minMs: 1 } },
    opaque: ['redis'],
  },
  {
    title: 'limits',
    intro: `What is limited. A policy is \`'60/min'\`, \`{ limit: 60, windowMs: 60_000 }\`, a list of such windows, or an object that says more. ${standalone}`,
    path: 'limits',
    type: [`${src}/limits/options.ts`, 'LimitsOptions'],
    defaults: limitsDefaults,
    read: resolveLimitsOptions,
    needed: { 'limits.policies.<name>': { windows: '60/min' } },
    opaque: ['redis'],
  },
  {
    title: 'jobs',
    intro: `Scheduled work that one instance of the fleet does. ${standalone}`,
    path: 'jobs',
    type: [`${src}/jobs/options.ts`, 'JobsOptions'],
    defaults: jobsDefaults,
    read: resolveJobsOptions,
    opaque: ['redis'],
  },
  {
    title: 'overload',
    intro:
      'How much the instance takes upon itself. Off unless `createPando` is given it: `overload: {}` turns it on with the defaults.',
    path: 'overload',
    type: [`${src}/overload/options.ts`, 'OverloadOptions'],
    defaults: {
      ...overloadDefaults,
      'groups.<name>': {
        minConcurrency: overloadDefaults.minConcurrency,
        maxConcurrency: overloadDefaults.maxConcurrency,
        initialConcurrency: overloadDefaults.initialConcurrency,
      },
    },
    read: resolveOverloadOptions,
    needed: { 'overload.groups.<name>': {} },
  },
  {
    title: 'health',
    intro: 'How the health of an instance is found out.',
    path: 'health',
    type: [`${src}/health/options.ts`, 'HealthOptions'],
    defaults: { ...healthDefaults, 'checks[]': checkDefaults },
    read: resolveHealthOptions,
    needed: {
      'health.checks[]': { name: 'disk', critical: false, run: async () => ({ status: 'healthy' }) },
    },
  },
  {
    title: 'metrics',
    intro: 'How metrics are kept and exposed. The metrics themselves are in [metrics.md](metrics.md).',
    path: 'metrics',
    type: [`${src}/metrics/options.ts`, 'MetricsOptions'],
    defaults: metricsDefaults,
    read: resolveMetricsOptions,
  },
  {
    title: 'lifecycle',
    intro: 'How an instance takes leave.',
    path: 'lifecycle',
    type: [`${src}/lifecycle/options.ts`, 'LifecycleOptions'],
    defaults: lifecycleDefaults,
    read: resolveLifecycleOptions,
  },
];

/** What the adapters take; read by the door of a kit that never opens. */
async function door(): Promise<readonly OptionsSection[]> {
  await using pando = await createPando({ lifecycle: { signals: false } });
  const closed = new Door(pando, {});
  const nowhere = { bind: () => Promise.reject(new Error('listens nowhere')) };
  return [
    {
      title: 'pandoExpress and pandoFastify',
      intro:
        'The second argument of `pandoExpress`; options of the Fastify plugin, beside `pando`, `ws` and `closeTimeoutMs`.',
      path: 'http',
      type: [`${src}/http/http-options.ts`, 'HttpOptions'],
      defaults: httpDefaults,
      read: (options) => resolveHttpOptions(options),
      needed: { 'http.clients': { proxies: 1 }, 'http.tokens': { userOf: () => undefined } },
    },
    {
      title: 'listen',
      intro: 'Where to listen. Express takes these together with the next ones.',
      path: 'http',
      type: [`${src}/http/doorway.ts`, 'ListenAddress'],
      defaults: {},
      read: (options: never) => new Doorway(closed, createServer(), {}, nowhere).listen(options),
      needed: { http: { port: 0 } },
    },
    {
      title: 'The server',
      intro:
        'What a server accepts besides requests, and how it ends: options of `listen` in Express, of the plugin in Fastify.',
      path: 'http',
      type: [`${src}/http/doorway.ts`, 'DoorwayOptions'],
      defaults: doorwayDefaults,
      read: (options) => new Doorway(closed, createServer(), options),
      opaque: ['ws'],
      borrowed: ['port', 'host', 'signals'],
    },
    {
      title: 'WebSocket routes',
      intro: 'The option `ws`: one route or a list of them.',
      path: 'http.ws',
      type: [`${src}/http/ws-route.ts`, 'WsRoute'],
      defaults: wsRouteDefaults,
      read: (options: never) => resolveWsRoutes(options),
      needed: { 'http.ws': { path: '/ws' } },
    },
    {
      title: 'Event streams',
      intro: 'What the function given to `sse` returns. Checked for each stream, before its first byte.',
      path: 'http.sse',
      type: [`${src}/http/sse-plan.ts`, 'SsePlan'],
      defaults: {},
      read: (options: never) => checkSsePlan(options),
      needed: { 'http.sse': { channels: ['posts'] } },
    },
    {
      title: 'Cached answers',
      intro: 'The argument of `cacheResponse` in Express, `config.pando.cache` of a route in Fastify.',
      path: 'http.cache',
      type: [`${src}/http/response-cache-options.ts`, 'ResponseCacheOptions'],
      defaults: responseCacheDefaults,
      read: resolveResponseCacheOptions,
      instead: { 'http.cache.sharedMaxAgeMs': { identity: 'public' } },
    },
  ];
}

/** Options that go along with one call. TypeScript checks their names; the calls are too hot to do so again. */
export const callOptions: readonly (readonly [title: string, file: string, name: string])[] = [
  ['cache.getOrLoad', `${src}/cache/api.ts`, 'GetOrLoadOptions'],
  ['cache.getOrLoadMany', `${src}/cache/api.ts`, 'GetOrLoadManyOptions'],
  ['cache.set', `${src}/cache/api.ts`, 'SetOptions'],
  ['cache.wrap', `${src}/cache/api.ts`, 'WrapOptions'],
  ['cache.namespace', `${src}/cache/api.ts`, 'NamespaceOptions'],
  ['cache.invalidate', `${src}/cache/api.ts`, 'InvalidateOptions'],
  ['cache.explain', `${src}/cache/explanation.ts`, 'ExplainOptions'],
  ['compressed', `${src}/cache/codecs.ts`, 'CompressionOptions'],
  ['db.read', `${src}/db/api.ts`, 'ReadOptions'],
  ['db.transaction', `${src}/db/api.ts`, 'TransactionOptions'],
  ['db.scatter', `${src}/db/api.ts`, 'ScatterOptions'],
  ['realtime.publish', `${src}/realtime/message.ts`, 'PublishOptions'],
  ['realtime.subscribe', `${src}/realtime/message.ts`, 'SubscribeOptions'],
  ['limits.consume', `${src}/limits/limits.ts`, 'ConsumeOptions'],
  ['limit in Express, config.pando.limit in Fastify', `${src}/http/limit-options.ts`, 'LimitOptions'],
  ['createTestCluster', `${src}/testing/postgres.ts`, 'TestClusterOptions'],
  ['createTcpProxy', `${src}/testing/tcp-proxy.ts`, 'TcpProxyOptions'],
  ['waitFor', `${src}/testing/wait-for.ts`, 'WaitForOptions'],
];
