import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type AdmittedOutcome, Group } from './group.js';
import { overloadDefaults } from './options.js';
import { shares } from './priority.js';

/** A reproducible source of numbers below 1. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Pool {
  readonly size: number;
  readonly serviceMs: number;
  /** Whether each takes another time, as in `-serviceMs * ln(random)`. */
  readonly varies?: boolean;
}

/** What came of some simulated time. */
interface Seen {
  readonly done: number;
  readonly refused: number;
  readonly refusedCritical: number;
  readonly meanMs: number;
  readonly limit: number;
}

/** Requests that arrive whether or not others are done, at a pool with a queue, behind one group. */
class Simulation {
  now = 0;
  readonly group: Group;
  readonly #random: () => number;
  #pool: Pool;
  /** When each connection is free again. */
  #free: number[];
  /** In order of their end. */
  #running: { readonly from: number; readonly endsAt: number }[] = [];

  constructor(seed: number, pool: Pool, bounds = {}) {
    const clock = { monotonic: () => this.now, now: () => this.now, after: never, every: never };
    this.#random = randomOf(seed);
    this.group = new Group('default', { ...overloadDefaults, ...bounds }, clock);
    this.#pool = pool;
    this.#free = Array.from({ length: pool.size }, () => 0);
  }

  become(pool: Pool): void {
    this.#pool = pool;
    this.#free = Array.from({ length: pool.size }, (_, index) => this.#free[index] ?? this.now);
  }

  /** `share`: of the limit, for each that arrives; more than 1 for what is critical. */
  run(durationMs: number, perSecond: number, share = (_arrived: number) => 0.8): Seen {
    const end = this.now + durationMs;
    let [done, refused, sumMs, arrived, refusedCritical] = [0, 0, 0, 0, 0];
    let nextAt = this.now;
    for (;;) {
      nextAt += (-Math.log(1 - this.#random()) * 1_000) / perSecond;
      const until = Math.min(nextAt, end);
      for (let first = this.#running[0]; first !== undefined && first.endsAt <= until; ) {
        this.#running.shift();
        this.now = first.endsAt;
        this.group.leave(first.from, 'answered');
        done += 1;
        sumMs += first.endsAt - first.from;
        first = this.#running[0];
      }
      this.now = until;
      if (nextAt >= end) break;
      const its = share(arrived++);
      if (this.group.hasRoom(its)) this.#begin(this.group.enter());
      else {
        refused += 1;
        if (its > 1) refusedCritical += 1;
      }
    }
    return { done, refused, refusedCritical, meanMs: sumMs / Math.max(1, done), limit: this.group.limit };
  }

  #begin(from: number): void {
    const { serviceMs, varies } = this.#pool;
    const tookMs = varies ? -serviceMs * Math.log(1 - this.#random()) : serviceMs;
    const first = this.#free.indexOf(Math.min(...this.#free));
    const endsAt = Math.max(this.now, this.#free[first] as number) + tookMs;
    this.#free[first] = endsAt;
    const after = this.#running.findIndex((other) => other.endsAt > endsAt);
    this.#running.splice(after === -1 ? this.#running.length : after, 0, { from, endsAt });
  }
}

const never = (): never => {
  throw new Error('A group needs no timer.');
};

const capacityOf = ({ size, serviceMs }: Pool): number => (size / serviceMs) * 1_000;

const pools = fc.constantFrom<Pool>(
  { size: 10, serviceMs: 20 },
  { size: 10, serviceMs: 20, varies: true },
  { size: 50, serviceMs: 20, varies: true },
  { size: 100, serviceMs: 100, varies: true },
  { size: 1, serviceMs: 5, varies: true },
);
const seeds = fc.integer({ min: 1, max: 1_000_000 });
/** The time that the limit may take to grow to what is right for a large pool. */
const settlingMs = 20_000;

it('settles where nothing is left undone that could be done, whatever is asked', () => {
  fc.assert(
    fc.property(pools, seeds, fc.constantFrom(1.5, 2, 3), (pool, seed, load) => {
      const simulation = new Simulation(seed, pool);
      const perSecond = load * capacityOf(pool);
      simulation.run(settlingMs, perSecond);
      const { done } = simulation.run(20_000, perSecond);
      expect(done / 20).toBeGreaterThan(0.85 * capacityOf(pool));
    }),
    { numRuns: 15 },
  );
});

it('lets no queue grow that lasts, however long too much is asked', () => {
  fc.assert(
    fc.property(pools, seeds, (pool, seed) => {
      const simulation = new Simulation(seed, pool);
      simulation.run(settlingMs, 2 * capacityOf(pool));
      const { meanMs, limit } = simulation.run(60_000, 2 * capacityOf(pool));
      const { minConcurrency } = overloadDefaults;
      expect(meanMs).toBeLessThan(Math.max(3, (4 * minConcurrency) / pool.size) * pool.serviceMs);
      expect(limit).toBeLessThan(Math.max(4 * minConcurrency, 4 * pool.size));
    }),
    { numRuns: 10 },
  );
});

it('finds its way again in seconds when what is behind becomes ten times as slow, and when it has recovered', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const pool = { size: 10, serviceMs: 20 };
      const slow = { ...pool, serviceMs: 200 };
      const simulation = new Simulation(seed, pool);
      simulation.run(settlingMs, 2 * capacityOf(pool));
      simulation.become(slow);
      simulation.run(5_000, 2 * capacityOf(slow));
      expect(simulation.run(20_000, 2 * capacityOf(slow)).done / 20).toBeGreaterThan(0.85 * capacityOf(slow));
      simulation.become(pool);
      simulation.run(5_000, 2 * capacityOf(pool));
      const { done, meanMs } = simulation.run(10_000, 2 * capacityOf(pool));
      expect(done / 10).toBeGreaterThan(0.9 * capacityOf(pool));
      expect(meanMs).toBeLessThan(3 * pool.serviceMs);
    }),
    // In these it has become quicker again during a look, which has seen a mean of both.
    { numRuns: 30, examples: [[771], [1_149], [1_638], [1_964]] },
  );
});

it('refuses nothing that is critical while it looks how long requests take', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const pool = { size: 10, serviceMs: 20 };
      const simulation = new Simulation(seed, pool);
      const oneInFive = (arrived: number) => (arrived % 5 === 0 ? shares.critical : shares.normal);
      simulation.run(settlingMs, 2 * capacityOf(pool), oneInFive);
      const { refused, refusedCritical } = simulation.run(20_000, 2 * capacityOf(pool), oneInFive);
      expect(refused).toBeGreaterThan(0);
      expect(refusedCritical).toBe(0);
    }),
    { numRuns: 20 },
  );
});

it('refuses nothing of what a pool does without a queue', () => {
  const simulation = new Simulation(7, { size: 10, serviceMs: 20 });
  const { done, refused } = simulation.run(20_000, 100);
  expect(done).toBeGreaterThan(1_900);
  expect(refused).toBe(0);
});

it('does not learn a greater limit from a time in which little was asked', () => {
  const simulation = new Simulation(7, { size: 1_000, serviceMs: 20 });
  simulation.run(20_000, 50);
  expect(simulation.group.limit).toBe(overloadDefaults.initialConcurrency);
});

it('keeps to its bounds', () => {
  const bounds = { minConcurrency: 3, maxConcurrency: 30, initialConcurrency: 10 };
  const wide = new Simulation(7, { size: 100, serviceMs: 100 }, bounds);
  wide.run(30_000, 2_000);
  expect(wide.group.limit).toBe(30);
  const narrow = new Simulation(7, { size: 1, serviceMs: 5_000 }, bounds);
  narrow.run(60_000, 10);
  expect(narrow.group.inFlight).toBeGreaterThanOrEqual(1);
  expect(narrow.group.limit).toBeLessThanOrEqual(10);
});

/** A group whose requests all take as long, one after the other. */
function sequence(outcome: AdmittedOutcome, tookMs: number, count: number): Group {
  let now = 0;
  const clock = { monotonic: () => now, now: () => now, after: never, every: never };
  const group = new Group('default', { ...overloadDefaults }, clock);
  const one = (took: number, how: AdmittedOutcome) => {
    const entered = Array.from({ length: 16 }, () => group.enter());
    now += took;
    for (const at of entered) group.leave(at, how);
  };
  for (let round = 0; round < 10; round++) one(100, 'answered');
  for (let round = 0; round < count; round++) one(tookMs, outcome);
  return group;
}

it('takes clients that left after having waited for long as a sign of a queue, and those that left at once as none', () => {
  const { limit } = sequence('answered', 100, 0);
  expect(sequence('abandoned', 1_000, 10).limit).toBeLessThan(limit);
  expect(sequence('abandoned', 1, 10).limit).toBe(limit);
});

it('falls when something behind says that it is overloaded, and does not heed what says nothing', () => {
  const { limit } = sequence('answered', 100, 0);
  expect(sequence('overloaded', 100, 10).limit).toBeLessThan(limit);
  expect(sequence('ignored', 60_000, 10).limit).toBe(limit);
});
