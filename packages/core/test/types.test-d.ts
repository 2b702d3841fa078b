import {
  type Clock,
  createPando,
  isPandoError,
  type Logger,
  type Pando,
  type PandoError,
  type PandoOptions,
} from '@pando/core';
import { type CacheOptions, createCache, type Invalidation } from '@pando/core/cache';
import { createDatabase, type DatabaseOptions, type Row, type Transaction } from '@pando/core/db';
import { createHealth, type HealthOptions } from '@pando/core/health';
import type { DoorwayOptions, HttpOptions, SsePlan, WsRoute } from '@pando/core/http';
import { createLifecycle, type LifecycleOptions } from '@pando/core/lifecycle';
import { createLimits, type Decision, type LimitsOptions } from '@pando/core/limits';
import { createMetrics, type MetricsOptions } from '@pando/core/metrics';
import { createRealtime, type Published, type RealtimeOptions } from '@pando/core/realtime';
import { createFakeClock, waitFor } from '@pando/core/testing';

/*
 * Compiled, never run: options refuse what the readers refuse, and what comes back says what it is without casts.
 */

/** Fails to compile unless the two types are the same; `any` is only the same as itself. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(proof: Same<A, B>): boolean => proof;

interface Post {
  readonly id: number;
  readonly title: string;
}
declare const findPost: (id: number, options?: { readonly signal: AbortSignal }) => Promise<Post | undefined>;

export function optionsOfTheKit(pino: Logger, clock: Clock): readonly PandoOptions[] {
  return [
    {},
    { redis: 'redis://localhost', db: { primary: 'postgres://localhost/app' } },
    { redis: undefined, db: undefined, name: undefined },
    {
      logger: pino,
      clock,
      limits: { policies: { write: '60/min', burst: ['10/s', { limit: 1, windowMs: 100 }] } },
    },
    { cache: { local: false }, lifecycle: { signals: false, exit: true } },
    // @ts-expect-error: there is no such option
    { redsi: 'redis://localhost' },
    // @ts-expect-error: null is no way to leave something out
    { redis: null },
    // @ts-expect-error: the kit's connection is for all rooms
    { cache: { redis: 'redis://localhost' } },
    // @ts-expect-error: the kit's name is for all rooms
    { realtime: { name: 'other' } },
    // @ts-expect-error: durations are numbers
    { cache: { ttlMs: '5m' } },
    // @ts-expect-error: a shard needs a primary
    { db: { shards: { a: { replicas: [] } } } },
    // @ts-expect-error: misspelt in a room
    { db: { primary: 'postgres://localhost/app', replica: [] } },
    // @ts-expect-error: a console writes its message first
    { logger: { debug: (message: string) => message } },
  ];
}

export const rooms: readonly [
  CacheOptions[],
  DatabaseOptions[],
  RealtimeOptions[],
  LimitsOptions[],
  HealthOptions[],
  MetricsOptions[],
  LifecycleOptions[],
] = [
  [
    { ttlMs: 1_000, local: { maxEntries: 5 } },
    // @ts-expect-error: null switches nothing off
    { local: null },
    // @ts-expect-error: misspelt, one level down
    { local: { maxEntires: 5 } },
  ],
  [
    { primary: { host: 'db1', password: async () => 'secret' }, pool: { validateIdleMs: false } },
    // @ts-expect-error: misspelt, one level down
    { primary: 'postgres://localhost/app', pool: { sizes: 5 } },
    // @ts-expect-error: a share belongs to replicas
    { primary: { host: 'db1', weight: 2 } },
    // @ts-expect-error: null is no URL
    { primary: null },
  ],
  [
    { onUnavailable: 'wait', history: { size: 10 } },
    // @ts-expect-error: one of two
    { onUnavailable: 'later' },
    // @ts-expect-error: misspelt, one level down
    { history: { length: 10 } },
  ],
  [
    { policies: { write: { windows: '1/s', onUnavailable: 'closed' } } },
    // @ts-expect-error: misspelt in a policy
    { policies: { write: { windows: '1/s', onUnavailabel: 'closed' } } },
    // @ts-expect-error: null is no policy
    { policies: { write: null } },
  ],
  [
    { readyPolicy: 'all' },
    // @ts-expect-error: a check has to say whether it is critical
    { checks: [{ name: 'disk', run: async () => ({ status: 'healthy' }) }] },
    // @ts-expect-error: null is no version
    { version: null },
  ],
  [
    { openMetrics: true },
    // @ts-expect-error: misspelt
    { openmetrics: true },
    // @ts-expect-error: null is no registry
    { registry: null },
  ],
  [
    { signals: ['SIGTERM'] },
    // @ts-expect-error: not a signal
    { signals: ['SIGSTOPPED'] },
    // @ts-expect-error: misspelt
    { total: 5 },
  ],
];

export const door: readonly [HttpOptions[], DoorwayOptions[], WsRoute[], SsePlan[]] = [
  [
    { cookie: false, health: { live: '/livez' } },
    // @ts-expect-error: misspelt
    { helth: false },
    // @ts-expect-error: null switches nothing off
    { metrics: null },
  ],
  [
    { closeTimeoutMs: 5 },
    // @ts-expect-error: misspelt
    { closeTimeout: 5 },
  ],
  [
    { path: '/ws' },
    // @ts-expect-error: one of two
    { path: '/ws', protocol: 'graphql-ws' },
    // @ts-expect-error: a path is needed
    { protocol: 'raw' },
  ],
  [
    { channels: ['posts'] },
    // @ts-expect-error: misspelt
    { chanels: ['posts'] },
  ],
];

export async function resultsOfTheKit(): Promise<void> {
  await using pando = await createPando();
  same<typeof pando, Pando>(true);

  const post = await pando.cache.getOrLoad('post:1', ({ signal }) => findPost(1, { signal }), {
    tags: ['posts'],
  });
  same<typeof post, Post | undefined>(true);
  same<Awaited<ReturnType<typeof pando.cache.invalidate>>, Invalidation>(true);
  // @ts-expect-error: misspelt
  await pando.cache.getOrLoad('post:1', () => 1, { ttl: 5 });
  // @ts-expect-error: tags are a list
  await pando.cache.invalidate('posts');

  const { rows } = await pando.db.read<Post>('select id, title from posts where id = $1', [1]);
  same<typeof rows, Post[]>(true);
  const untyped = await pando.db.read('select 1');
  const [row] = untyped.rows;
  same<typeof row, Row | undefined>(true);
  const title = await pando.db.transaction(async (tx) => {
    same<typeof tx, Transaction>(true);
    tx.invalidate(['posts']);
    tx.publish('posts', { id: 1 });
    return (await tx.query<Post>('select 1')).rows[0]?.title;
  });
  same<typeof title, string | undefined>(true);

  await pando.realtime.subscribe('posts', ({ data }) => same<typeof data, unknown>(true));
  same<Awaited<ReturnType<typeof pando.realtime.publish>>, Published>(true);
  same<Awaited<ReturnType<typeof pando.limits.consume>>, Decision>(true);
  // @ts-expect-error: a key is a text
  await pando.limits.consume('write', 7);
}

export function handledBy(error: unknown): string {
  if (!isPandoError(error)) return String(error);
  same<typeof error, PandoError>(true);
  same<typeof error.status, number | undefined>(true);
  same<typeof error.retryable, boolean>(true);
  return error.code;
}

export function roomsAlone(): readonly AsyncDisposable[] {
  // @ts-expect-error: a database needs options
  createDatabase();
  // @ts-expect-error: null is no object of options
  createCache(null);
  return [
    createCache(),
    createDatabase({ primary: 'postgres://localhost/app' }),
    createRealtime({ redis: { host: 'redis1' } }),
    createLimits({ policies: {} }),
    createHealth(),
    createMetrics(),
    createLifecycle({ signals: false }),
  ];
}

export async function helpers(): Promise<void> {
  const clock: Clock = createFakeClock();
  same<typeof clock, Clock>(true);
  const found = await waitFor(async () => findPost(1));
  same<typeof found, Post>(true);
}
