import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createLimiter } from './drivers/limiter.js';
import { createMemoryStore, createMemoryWorld } from './drivers/memory.js';
import { createMemoryBans } from './drivers/memory-bans.js';
import type {
  Algorithm,
  AskKind,
  Decision,
  ForgottenListener,
  LimitAsk,
  LimitRule,
  LimitStore,
  PolicyOption,
} from './index.js';
import { LimitsRoom } from './limits.js';
import { resolveLimitsOptions } from './options.js';
import { type CounterState, settle } from './settle.js';

interface Passed {
  /** In whole microseconds, as stores count. */
  readonly at: number;
  readonly cost: number;
}

/** Instances that share a policy through a store that pretends to be Redis, to which each way takes a while. */
class Fleet {
  readonly clock = createFakeClock();
  readonly asked: LimitAsk[] = [];
  /** What was counted for a call, or spent of what was lent, in order. */
  readonly passed: Passed[] = [];
  readonly rooms: readonly LimitsRoom[];
  isUp = true;
  readonly #counters = createMemoryStore({ clock: this.clock, maxKeys: 10 });
  readonly #listeners: ForgottenListener[] = [];
  readonly #travelMs: number;

  constructor(policy: PolicyOption, { instances = 1, travelMs = 0 } = {}) {
    this.#travelMs = travelMs;
    const { policies } = resolveLimitsOptions({ policies: { read: policy } });
    this.rooms = Array.from(
      { length: instances },
      () =>
        new LimitsRoom({
          kernel: createKernel({ clock: this.clock }),
          policies,
          store: this.#store(instances),
          local: createMemoryStore({ clock: this.clock, maxKeys: 10 }),
          limiter: createLimiter,
          bans: createMemoryBans(createMemoryWorld().bans, this.clock),
        }),
    );
  }

  get rule(): LimitRule {
    return (this.asked[0] as LimitAsk).rule;
  }

  async consume(instance = 0, cost = 1): Promise<Decision> {
    const decision = await this.room(instance).consume('read', 'ann', { cost });
    if (decision.source === 'lease') this.passed.push({ at: this.#micros(), cost });
    return decision;
  }

  /** So many calls, one each millisecond. */
  async calls(count: number, instance = 0): Promise<Decision[]> {
    const decisions: Decision[] = [];
    for (let call = 0; call < count; call++) {
      decisions.push(await this.consume(instance));
      await this.clock.advance(1);
    }
    return decisions;
  }

  room(instance: number): LimitsRoom {
    return this.rooms[instance % this.rooms.length] as LimitsRoom;
  }

  /** Turns the clock in small steps: what waits for the end of a turn leaves in between. */
  async pass(durationMs: number): Promise<void> {
    for (let passed = 0; passed < durationMs; passed++) await this.clock.advance(1);
  }

  /** What the store has left of the first window. */
  remaining(): number {
    return this.#counters.answer({ rule: this.rule, key: 'ann', kind: 'peek', amount: 1 }).remaining;
  }

  kinds(): AskKind[] {
    return this.asked.map(({ kind }) => kind);
  }

  /** What another instance says. */
  say(kind: AskKind): void {
    for (const listener of this.#listeners) listener({ id: this.rule.id, key: 'ann', kind });
  }

  /** Everything that is held anywhere goes back. */
  async quiet(): Promise<void> {
    await this.clock.advance(200);
    await this.pass(4 * this.#travelMs);
  }

  #store(instances: number): LimitStore {
    return {
      source: 'redis',
      isUp: true,
      instances,
      start: async () => undefined,
      close: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
      onForgotten: (listener) => void this.#listeners.push(listener),
      ask: async (asks) => {
        await this.#travel();
        if (!this.isUp) throw new Error('away');
        const verdicts = asks.map((ask) => this.#answer(ask));
        await this.#travel();
        return verdicts;
      },
    };
  }

  #answer(ask: LimitAsk) {
    this.asked.push(ask);
    const verdict = this.#counters.answer(ask);
    const isCall = ask.kind === 'spend' || ask.kind === 'lend';
    if (isCall && verdict.fits) this.passed.push({ at: this.#micros(), cost: ask.amount });
    return verdict;
  }

  #micros(): number {
    return Math.round(this.clock.monotonic() * 1_000);
  }

  #travel(): Promise<void> | undefined {
    if (this.#travelMs === 0) return undefined;
    return new Promise((arrive) => this.clock.after(this.#travelMs, arrive));
  }
}

const hourly = (limit: number): PolicyOption => ({
  windows: { limit, windowMs: 3_600_000 },
  algorithm: 'fixed',
  lease: true,
});
const sourcesOf = (decisions: readonly Decision[]) => new Set(decisions.map(({ source }) => source));

describe('a leased policy', () => {
  it('asks about every call of a key that is seldom asked for', async () => {
    const fleet = new Fleet(hourly(1_000));
    for (let call = 0; call < 20; call++) {
      expect((await fleet.consume()).source).toBe('redis');
      await fleet.clock.advance(110);
    }
    expect(new Set(fleet.kinds())).toEqual(new Set(['spend']));
  });

  it('spends what it was lent, and tells how the key stands as if it had asked', async () => {
    const fleet = new Fleet(hourly(1_000_000));
    const decisions = await fleet.calls(1_000);
    expect(decisions.map(({ remaining }) => remaining)).toEqual(
      decisions.map((_, call) => 1_000_000 - 1 - call),
    );
    expect(decisions.every(({ allowed }) => allowed)).toBe(true);
    expect(decisions.filter(({ source }) => source === 'lease').length).toBeGreaterThan(950);
    expect(decisions.at(-1)?.resetMs).toBe(3_600_000 - 999);
  });

  it('gives back what is left when a lease ends, and forgets a key that nobody asks for', async () => {
    const fleet = new Fleet(hourly(1_000));
    await fleet.calls(150);
    await fleet.quiet();
    expect(fleet.kinds()).toContain('return');
    expect(await fleet.room(0).peek('read', 'ann')).toMatchObject({ remaining: 1_000 - 150 });
    await fleet.quiet();
    expect(fleet.clock.pending).toBe(0);
  });

  it('gives everything back when it closes', async () => {
    const fleet = new Fleet(hourly(1_000), { instances: 2 });
    await fleet.calls(150);
    expect((await fleet.room(1).peek('read', 'ann')).remaining).toBeLessThan(1_000 - 150);
    await fleet.room(0).close();
    expect(await fleet.room(1).peek('read', 'ann')).toMatchObject({ remaining: 1_000 - 150 });
    expect(fleet.clock.pending).toBe(0);
  });

  it('is lent no more than its share of what is left', async () => {
    const fleet = new Fleet({ ...(hourly(100) as object), lease: { shareRatio: 0.5 } }, { instances: 4 });
    await fleet.calls(3);
    const { remaining } = await fleet.room(1).peek('read', 'ann');
    expect(100 - 3 - remaining).toBeGreaterThan(0);
    expect(100 - 3 - remaining).toBeLessThanOrEqual(100 / 4 / 2);
  });

  it('asks about a call that costs more than it holds', async () => {
    const fleet = new Fleet(hourly(100_000));
    await fleet.calls(50);
    expect(await fleet.consume(0, 50_000)).toMatchObject({ allowed: true, source: 'redis' });
    expect(await fleet.consume()).toMatchObject({ source: 'lease' });
  });

  it('makes calls that come together wait for two answers at most', async () => {
    const fleet = new Fleet(hourly(60), { travelMs: 5 });
    const decisions: Decision[] = [];
    for (let burst = 0; burst < 3; burst++) {
      const calls = Array.from({ length: 40 }, () => fleet.consume().then((each) => decisions.push(each)));
      await fleet.pass(20);
      expect(decisions).toHaveLength(40 * (burst + 1));
      await Promise.all(calls);
    }
    expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(60);
  });

  it('asks again about a refused key as soon as others may have given back', async () => {
    const fleet = new Fleet(hourly(100), { instances: 2 });
    await fleet.calls(60, 0);
    while ((await fleet.consume(1)).allowed);
    expect((await fleet.consume(1)).source).toBe('denied');
    await fleet.quiet();
    while ((await fleet.consume(1)).allowed);
    expect(fleet.passed.reduce((sum, { cost }) => sum + cost, 0)).toBe(100);
  });
});

describe('what was lent', () => {
  const holding = async () => {
    const fleet = new Fleet(hourly(1_000));
    await fleet.calls(50);
    expect((await fleet.consume()).source).toBe('lease');
    fleet.asked.length = 1;
    return fleet;
  };

  it.each([
    ['penalized', (fleet: Fleet) => fleet.room(0).penalize('read', 'ann', 1)],
    ['penalized elsewhere', (fleet: Fleet) => fleet.say('penalize')],
    ['blocked elsewhere', (fleet: Fleet) => fleet.say('block')],
  ])('goes back when the key is %s', async (_, act) => {
    const fleet = await holding();
    await act(fleet);
    expect((await fleet.consume()).source).toBe('redis');
    expect(fleet.kinds()).toContain('return');
  });

  it.each([
    ['reset', (fleet: Fleet) => fleet.room(0).reset('read', 'ann')],
    ['reset elsewhere', (fleet: Fleet) => fleet.say('reset')],
  ])('is forgotten when the key is %s', async (_, act) => {
    const fleet = await holding();
    await act(fleet);
    expect((await fleet.consume()).source).toBe('redis');
    expect(fleet.kinds()).not.toContain('return');
  });

  /** The store has lent, and its answer is on its way. */
  const lending = async () => {
    const fleet = new Fleet(hourly(1_000), { travelMs: 5 });
    while (!fleet.kinds().includes('lend')) {
      void fleet.consume();
      await fleet.clock.advance(1);
    }
    return fleet;
  };

  it('is forgotten also when it arrives after the reset', async () => {
    const fleet = await lending();
    fleet.say('reset');
    await fleet.pass(300);
    expect(fleet.kinds()).not.toContain('return');
  });

  it('goes back also when it arrives after the room was told to close', async () => {
    const fleet = await lending();
    let left: number | undefined;
    const closed = fleet
      .room(0)
      .close()
      .then(() => {
        left = fleet.remaining();
      });
    await fleet.pass(50);
    await closed;
    expect(fleet.kinds()).toContain('return');
    expect(left).toBe(1_000 - fleet.passed.reduce((sum, { cost }) => sum + cost, 0));
  });

  it.each(Array.from({ length: 10 }, (_, moment) => moment))(
    'keeps no room from closing when it never arrives: %i ms later',
    async (moment) => {
      const fleet = await lending();
      await fleet.pass(100); // the first is over
      fleet.isUp = false;
      for (let call = 0; call < moment; call++) {
        void fleet.consume();
        await fleet.clock.advance(1);
      }
      let isClosed = false;
      const closing = fleet.room(0).close();
      void closing.then(() => {
        isClosed = true;
      });
      await fleet.pass(50);
      expect(isClosed).toBe(true);
    },
  );

  it('stays when somebody gives points to the key', async () => {
    const fleet = await holding();
    fleet.say('reward');
    expect((await fleet.consume()).source).toBe('lease');
  });

  it('is still spent while Redis is away, and nothing more', async () => {
    const fleet = new Fleet({ ...(hourly(1_000) as object), onUnavailable: 'closed' });
    await fleet.calls(50);
    fleet.isUp = false;
    const decisions = await fleet.calls(200);
    expect(sourcesOf(decisions)).toEqual(new Set(['lease', 'closed']));
    const firstClosed = decisions.findIndex(({ source }) => source === 'closed');
    expect(sourcesOf(decisions.slice(firstClosed))).toEqual(new Set(['closed']));
    expect(firstClosed).toBeLessThanOrEqual(100);
  });
});

const windowMs = 1_000;
const algorithms: readonly Algorithm[] = ['sliding', 'strict', 'fixed', 'bucket'];

/** Most that passed in any stretch of that length. */
function mostWithin(passed: readonly Passed[], lengthMs: number): number {
  const within = (from: number) =>
    passed.reduce((sum, { at, cost }) => (at >= from && at < from + lengthMs * 1_000 ? sum + cost : sum), 0);
  return Math.max(0, ...passed.map(({ at }) => within(at)));
}

/** Most that passed in a window that begins with the first call after the end of the one before. */
function mostInFixed(passed: readonly Passed[], lengthMs: number): number {
  let [begun, sum, most] = [Number.NEGATIVE_INFINITY, 0, 0];
  for (const { at, cost } of passed) {
    if (at - begun >= lengthMs * 1_000) [begun, sum] = [at, 0];
    sum += cost;
    most = Math.max(most, sum);
  }
  return most;
}

const bounds: Record<Algorithm, (passed: readonly Passed[], limit: number) => void> = {
  fixed: (passed, limit) => expect(mostInFixed(passed, windowMs)).toBeLessThanOrEqual(limit),
  strict: (passed, limit) => expect(mostWithin(passed, windowMs)).toBeLessThanOrEqual(limit),
  sliding: (passed, limit) =>
    expect(mostWithin(passed, windowMs / 10)).toBeLessThanOrEqual(limit + Math.ceil(limit / 10)),
  // What was lent has leaked out meanwhile, too.
  bucket: (passed, limit) =>
    expect(mostWithin(passed, windowMs / 10)).toBeLessThanOrEqual(limit + Math.ceil((2 * limit) / 10)),
};

const loads = fc.array(
  fc.record({
    pauseMs: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 900 })),
    instance: fc.nat(2),
    calls: fc.integer({ min: 1, max: 25 }),
    cost: fc.constantFrom(1, 1, 1, 2, 5),
  }),
  { minLength: 5, maxLength: 60 },
);
const shapes = fc.record({
  limit: fc.integer({ min: 1, max: 120 }),
  instances: fc.integer({ min: 1, max: 3 }),
  travelMs: fc.constantFrom(0, 0.4, 3),
  forMs: fc.constantFrom(20, 100, 700),
  shareRatio: fc.constantFrom(0.5, 1),
});

async function run(
  fleet: Fleet,
  load: readonly { pauseMs: number; instance: number; calls: number; cost: number }[],
) {
  for (const { pauseMs, instance, calls, cost } of load) {
    await fleet.clock.advance(pauseMs);
    for (let call = 0; call < calls; call++) void fleet.consume(instance, cost);
    await fleet.clock.advance(0);
  }
  await fleet.pass(20);
}

describe.each(algorithms)('over any load, instances and delays: %s', (algorithm) => {
  it('lends never more than the limit, and counts in the end what was spent', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, loads, async ({ limit, forMs, shareRatio, ...shape }, load) => {
        const fleet = new Fleet(
          { windows: { limit, windowMs }, algorithm, lease: { forMs, shareRatio } },
          shape,
        );
        await run(fleet, load);
        bounds[algorithm](fleet.passed, limit);
        await fleet.clock.advance(2 * forMs);
        await fleet.quiet();
        // A bucket leaks, and where a sliding period begins depends on when what was left came back.
        if (algorithm === 'bucket' || algorithm === 'sliding') return;
        expect(fleet.remaining()).toBe(replay(fleet, limit));
      }),
      { numRuns: 150 },
    );
  });
});

/** What is left if what passed was counted when it passed. */
function replay(fleet: Fleet, limit: number): number {
  let state: CounterState | undefined;
  const count = (kind: 'penalize' | 'peek', amount: number, at: number) => {
    const settled = settle(state, { rule: fleet.rule, key: 'ann', kind, amount }, at);
    if (settled.state !== undefined) state = settled.keepMs > 0 ? settled.state : undefined;
    return settled.verdict;
  };
  for (const { at, cost } of fleet.passed) count('penalize', cost, at);
  return Math.min(limit, count('peek', 1, fleet.clock.monotonic() * 1_000).remaining);
}

it('of several windows, what is lent counts in all of them, and none is overdrawn', async () => {
  const lengths = [200, 1_000, 10_000];
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 80 }),
        fc.integer({ min: 1, max: 150 }),
      ),
      shapes,
      loads,
      async (limits, { forMs, shareRatio, ...shape }, load) => {
        const windows = limits.map((limit, w) => ({ limit, windowMs: lengths[w] as number }));
        const fleet = new Fleet({ windows, algorithm: 'strict', lease: { forMs, shareRatio } }, shape);
        await run(fleet, load);
        for (const each of windows)
          expect(mostWithin(fleet.passed, each.windowMs)).toBeLessThanOrEqual(each.limit);
      },
    ),
    { numRuns: 100 },
  );
});

it('an instance that holds a lease and idles leaves nearly all of the limit to the others', async () => {
  for (const limit of [100, 1_000, 10_000]) {
    const fleet = new Fleet(
      { windows: { limit, windowMs: 4_000 }, algorithm: 'fixed', lease: true },
      { instances: 2 },
    );
    for (let call = 0; call < limit / 3; call++) await fleet.consume(0); // all at once
    for (let turn = 0; turn < 30; turn++) {
      for (let call = 0; call < limit; call++) if (!(await fleet.consume(1)).allowed) break;
      await fleet.clock.advance(100);
    }
    const passed = fleet.passed.reduce((sum, { cost }) => sum + cost, 0);
    expect(passed).toBeLessThanOrEqual(limit);
    expect(passed).toBeGreaterThanOrEqual(0.96 * limit);
  }
});
