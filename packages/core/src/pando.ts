import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { absentDatabase } from './absent-database.js';
import { composeCache } from './cache/create.js';
import type { Cache } from './cache/index.js';
import type { CacheRules } from './cache/rules.js';
import { closeInOrder } from './closing.js';
import { composeDatabase } from './db/create.js';
import type { Database } from './db/index.js';
import type { DatabaseRules } from './db/rules.js';
import { createEffectsRunner } from './effects.js';
import { type FleetInstance, FleetView } from './fleet-view.js';
import { createHealth, type Health } from './health/index.js';
import { createJobs, type Jobs } from './jobs/index.js';
import type { Signalled } from './kernel/abort.js';
import type { EffectsRunner } from './kernel/effects.js';
import { createHistories } from './kernel/histories.js';
import { createKernel, type Kernel } from './kernel/kernel.js';
import { createLaggards } from './kernel/laggards.js';
import { createLedgers } from './kernel/ledger.js';
import { Revision } from './kernel/revision.js';
import type { Check } from './kernel/room.js';
import { createTokenCodec, type TokenCodec } from './kernel/token-codec.js';
import { createMemoryShelf, type TokenShelf } from './kernel/token-shelf.js';
import { createLifecycle, type Lifecycle } from './lifecycle/index.js';
import { createLimits, type Limits } from './limits/index.js';
import { createMetrics, type Metrics } from './metrics/index.js';
import { type PandoOptions, resolvePandoOptions } from './options.js';
import { createOverload, type Overload } from './overload/index.js';
import { waitingPerConnection } from './pool-pressure.js';
import { createRealtime, type Realtime } from './realtime/index.js';
import { createRedisFloor } from './redis/floor.js';
import type { RedisFloor } from './redis/ports.js';
import { createRedisShelf } from './redis/token-shelf.js';
import { fleetSecret } from './secret.js';

/** All rooms of one application, wired to one another: what adapters take, and what the application uses. */
export interface Pando extends AsyncDisposable {
  readonly name: string;
  /** This process among the instances; sent as the header `x-pando-instance`. */
  readonly instanceId: string;
  readonly cache: Cache;
  readonly db: Database;
  readonly realtime: Realtime;
  readonly limits: Limits;
  readonly jobs: Jobs;
  /** Undefined unless the options say something of it: it admits everything then. */
  readonly overload: Overload | undefined;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
  /** Causal tokens as text, for jobs and for protocols of the application's own. */
  readonly tokens: TokenCodec;
  /** Where tokens of users are kept that do not return them. For adapters. */
  readonly tokenShelf: TokenShelf;
  /** What the rooms share. For adapters. */
  readonly kernel: Kernel;
  /** The connection to Redis that the rooms share; undefined on memory drivers. */
  readonly redis: RedisFloor | undefined;
  /**
   * Lists the live instances, this one included: what each said of itself in its last heartbeat, a third of the lease ago at
   * most. Rejects with `RedisUnavailableError` while Redis is away.
   */
  fleet(options?: Signalled): Promise<readonly FleetInstance[]>;
  /** Ends everything in order, within the lifecycle's deadline: see `lifecycle.shutdown`. Idempotent; never rejects. */
  close(): Promise<void>;
}

/**
 * Builds all rooms, wires them to one another, and starts them.
 *
 * Resolves when the instance can serve. Redis may be away if `secret` is given; the database may not.
 * When something fails, what was already opened is closed again.
 *
 * @throws `PandoOptionsError` for a bad option, before anything is opened; `DatabaseUnreachableError`,
 * `SecretUnavailableError`.
 *
 * @example
 * ```ts
 * const pando = await createPando({
 *   redis: process.env.REDIS_URL,
 *   db: { primary: process.env.DATABASE_URL },
 * });
 * ```
 */
export function createPando(options: PandoOptions = {}): Promise<Pando> {
  return composePando(options);
}

/** The decisions on which the kit's promises rest. Tests put broken ones in their place, to see that they notice. */
export interface KitRules {
  readonly cache?: Partial<CacheRules> | undefined;
  readonly db?: Partial<DatabaseRules> | undefined;
  /** How effects are carried out, given the sound way. */
  readonly effects?: ((sound: EffectsRunner) => EffectsRunner) | undefined;
}

/** {@link createPando}, with rules replaced that a test wants to see missing. */
export async function composePando(options: PandoOptions, rules: KitRules = {}): Promise<Pando> {
  const { name, instanceId = newInstanceId(), secret } = resolvePandoOptions(options);
  const { clock, logger } = options;

  const metrics = createMetrics(options.metrics, { logger });
  const kernel = createKernel({ name, clock, logger, meter: metrics.meter });
  const startedAt = kernel.clock.now();

  const redis =
    options.redis === undefined ? undefined : createRedisFloor(options.redis, kernel, { instanceId });
  let signingSecret = ''; // learned before anybody can sign: the rooms start after it
  const tokens = createTokenCodec(name, () => signingSecret);
  const tokenShelf = redis ? createRedisShelf(redis, kernel.clock) : createMemoryShelf(kernel.clock);
  const revision = new Revision(); // tells the cache that one of the following two has changed
  const ledgers = createLedgers(revision); // the cache asks them; the database, which comes after it, keeps one
  const histories = createHistories(revision); // and says here which history it is on
  const laggards = createLaggards(); // both say here who may still serve the past, for events that wait for them
  const cacheWiring = { kernel, redis, ledger: ledgers, histories, revision, laggards };
  const cache = composeCache(options.cache ?? {}, cacheWiring, rules.cache);
  const realtime = createRealtime(options.realtime, { kernel, redis, tokens, laggards });
  const sound = createEffectsRunner({ cache, realtime, logger: kernel.logger });
  const effects = rules.effects?.(sound) ?? sound;
  const wiring = { kernel, effects, ledgers, histories, laggards, fleet: redis?.fleet };
  const db = options.db === undefined ? absentDatabase : composeDatabase(options.db, wiring, rules.db);
  const limits = createLimits(options.limits, { kernel, redis });
  const jobs = createJobs(options.jobs, { kernel, redis });
  const waiting = options.db === undefined ? undefined : () => waitingPerConnection(db);
  const overload =
    options.overload && createOverload(options.overload, { kernel, waitingPerConnection: waiting });
  const rooms = [cache, realtime, db, limits, jobs, ...(overload ? [overload] : [])];
  const health = createHealth(options.health, {
    kernel,
    absent: ['database', 'database-pool', 'redis'],
    rooms: () => [...rooms, { checks: () => (redis === undefined ? [] : [redisCheck(redis)]) }],
    state: () => lifecycle.state,
  });
  // Last, since it begins to listen to signals: no later refusal may leave that behind.
  const lifecycle = createLifecycle(options.lifecycle, { kernel });

  // The reverse of the order in which they came to be: nobody is left without what it stands on.
  const closeRooms = (o?: Signalled) => {
    const floor = redis === undefined ? [] : [{ name: 'redis', close: () => redis.close() }];
    return closeInOrder([health, ...rooms.toReversed(), ...floor], kernel.clock, o);
  };

  try {
    await redis?.start();
    signingSecret = await fleetSecret(secret, redis);
    redis?.events.on('up', () => {
      fleetSecret(secret, redis, signingSecret).then(
        (valid) => {
          signingSecret = valid;
        },
        () => undefined, // away again: asked anew when it is back
      );
    });
    await Promise.all(rooms.map((room) => room.start()));
    await health.start();

    lifecycle.register({ name: 'jobs: intake', phase: 'intake', stop: () => jobs.stop() });
    lifecycle.register({ name: 'realtime', phase: 'streams', stop: (o) => realtime.drain(o) });
    lifecycle.register({ name: 'jobs: runs', phase: 'requests', stop: (o) => jobs.drain(o) });
    lifecycle.register({ name: 'rooms', phase: 'rooms', stop: (o) => closeRooms(o) });
    lifecycle.register({ name: 'metrics', phase: 'telemetry', stop: () => metrics.close() });
    lifecycle.onState((state) => {
      if (state === 'closed') kernel.contexts.close();
    });

    const view = new FleetView({
      fleet: redis?.fleet,
      self: instanceId,
      version: options.health?.version,
      lifecycle,
      startedAt,
      connections: () => realtime.connections,
    });

    const close = () => lifecycle.close();
    return {
      name,
      instanceId,
      cache,
      db,
      realtime,
      limits,
      jobs,
      overload,
      health,
      metrics,
      lifecycle,
      tokens,
      tokenShelf,
      kernel,
      redis,
      fleet: (o) => view.list(o),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    lifecycle.releaseSignals(); // and no shutdown, which may end the process: the error is the caller's
    await closeRooms();
    await metrics.close();
    kernel.contexts.close();
    throw error;
  }
}

/** Readable, and unique among instances that start at once on one host. */
function newInstanceId(): string {
  return `${hostname()
    .replace(/[^A-Za-z0-9-]/g, '-')
    .slice(0, 32)}-${randomBytes(3).toString('hex')}`;
}

/** Redis is shared by all instances and every room says what it does without: an instance lacking it is degraded, not lost. */
function redisCheck(redis: RedisFloor): Check {
  return {
    name: 'redis',
    critical: false,
    async run({ signal }) {
      await redis.call(['PING'], { signal });
      if (redis.isLive) return { status: 'healthy' };
      return { status: 'degraded', detail: 'announcements do not arrive' };
    },
  };
}
