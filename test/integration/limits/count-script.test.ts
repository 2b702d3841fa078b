import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Algorithm, AskKind, LimitRule, LimitWindow } from '../../../packages/core/src/limits/index.js';
import { type CounterState, settle } from '../../../packages/core/src/limits/index.js';
import type { RedisFloor, RedisScript } from '../../../packages/core/src/redis/index.js';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile, patiently } from '../redis/floors.js';

const { open } = floorsOfThisFile();

/** A script of the driver, with a clock that the test turns. */
function clockedScript(file: string): RedisScript {
  const url = new URL(`../../../packages/core/src/limits/drivers/lua/${file}.lua`, import.meta.url);
  const clock = '{ table.remove(ARGV, 1), table.remove(ARGV, 1) }';
  return { name: file, source: readFileSync(url, 'utf8').replace("redis.call('TIME')", clock) };
}

/** The same for ever, and yet with an end: Redis goes by its own clock when it forgets keys. */
function lastingScript(file: string): RedisScript {
  const { source } = clockedScript(file);
  return { name: file, source: source.replace("'PX', ", `'PXAT', ${farAway} + `) };
}

const farAway = Date.parse('2100-01-01');
const clocked = clockedScript('count-1');
const lasting = lastingScript('count-1');
const lastingSpend = lastingScript('spend-1');

const algorithms: readonly Algorithm[] = ['sliding', 'strict', 'fixed', 'bucket'];
const kinds: readonly AskKind[] = ['spend', 'peek', 'penalize', 'reward', 'block', 'reset', 'lend', 'return'];
const startMicros = 1_700_000_000_123_456;

interface Ask {
  readonly key: number;
  readonly rule: number;
  readonly kind: AskKind;
  readonly amount: number;
  readonly wanted: number;
  readonly parts: number;
  readonly lentAt: number;
}
/** What an ask that neither lends nor returns does not tell. */
const nothingLent = { wanted: 0, parts: 1, lentAt: 0 };

const nameOf = (floor: RedisFloor, world: string, { key, rule }: Pick<Ask, 'key' | 'rule'>) =>
  floor.keys.atomic('limits', world, `${rule}`, `${key}`);

async function run(
  floor: RedisFloor,
  { script, world = '' }: { readonly script: RedisScript; readonly world?: string },
  rules: readonly LimitRule[],
  asks: readonly Ask[],
  now: number,
) {
  const names = asks.map((ask) => nameOf(floor, world, ask));
  const keys = [...new Set(names)];
  const encoded = rules.map(({ algorithm, windows }) => [
    algorithms.indexOf(algorithm) + 1,
    ...windows.flatMap(({ limit, windowMs }) => [windowMs * 1_000, limit]),
  ]);
  const flat = asks.flatMap(({ rule, kind, amount, wanted, parts, lentAt }, index) => [
    keys.indexOf(names[index] as string) + 1,
    (rule + 1) * 8 + kinds.indexOf(kind),
    amount,
    ...(kind === 'lend' ? [wanted, parts] : []),
    ...(kind === 'return' ? [lentAt] : []),
  ]);
  const args = [...timeOf(now), JSON.stringify(encoded), JSON.stringify(flat)];
  return (await floor.run(script, keys, args)) as readonly number[];
}

const timeOf = (now: number) => [Math.floor(now / 1_000_000), now % 1_000_000];

/** The same by the script that only spends; each ask is a row of its own. */
async function spend(
  floor: RedisFloor,
  world: string,
  rules: readonly LimitRule[],
  asks: readonly Ask[],
  now: number,
) {
  const keys = asks.map((ask) => nameOf(floor, world, ask));
  const rows = asks.flatMap(({ rule, amount }) => {
    const { algorithm, windows } = rules[rule] as LimitRule;
    const { limit, windowMs } = windows[0] as LimitWindow;
    return [1, algorithms.indexOf(algorithm) + 1, windowMs * 1_000, limit, amount];
  });
  return (await floor.run(lastingSpend, keys, [...timeOf(now), ...rows])) as readonly number[];
}

/** What Redis keeps of the counters, and until when. */
function storedOf(floor: RedisFloor, world: string, counters: readonly Pick<Ask, 'key' | 'rule'>[]) {
  const names = counters.map((counter) => nameOf(floor, world, counter));
  return floor.batch(
    names.flatMap((name) => [
      ['GET', name],
      ['PEXPIRETIME', name],
    ]),
    { buffers: true },
  );
}

/** The same by the model. */
class Model {
  readonly #states = new Map<string, CounterState>();

  run(rules: readonly LimitRule[], asks: readonly Ask[], now: number): readonly number[] {
    const ended = new Map<string, boolean>();
    const reply = asks.flatMap(({ key, rule, ...asked }) => {
      const id = `${rule}:${key}`;
      const ask = { ...asked, rule: rules[rule] as LimitRule, key: id };
      const { verdict, state, keepMs } = settle(this.#states.get(id), ask, now);
      if (state !== undefined) {
        this.#states.set(id, state);
        ended.set(id, keepMs === 0);
      }
      const { fits, window, remaining, resetMs, loan } = verdict;
      const told = [fits ? window + 1 : -(window + 1), remaining, resetMs].map((number) => number + 0);
      if (ask.kind !== 'lend') return told;
      const micros = loan && Math.round(loan.forMs * 1_000);
      return [...told, loan?.amount ?? 0, micros ?? 0, now];
    });
    for (const [id, isEnded] of ended) if (isEnded) this.#states.delete(id);
    return reply;
  }
}

const anyKind = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom<AskKind>('spend', 'spend', 'lend') },
  { weight: 5, arbitrary: fc.constantFrom<AskKind>('peek', 'penalize', 'reward', 'return', 'return') },
  { weight: 1, arbitrary: fc.constantFrom<AskKind>('block', 'reset') },
);

/** What comes in one turn of the event loop, after a pause. */
const anyTurn = fc.record({
  // Now and then the clock is set back.
  pauseMicros: fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: 0, max: 900_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: -9_000_000, max: 9_000_000 }) },
  ),
  asks: fc.array(
    fc.record({
      key: fc.integer({ min: 0, max: 2 }),
      rule: fc.integer({ min: 0, max: 1 }),
      kind: anyKind,
      amount: fc.integer({ min: 1, max: 12 }),
      wanted: fc.integer({ min: 0, max: 20 }),
      parts: fc.constantFrom(1, 1.5, 2, 7),
      lentMicrosAgo: fc.integer({ min: 0, max: 2_000_000 }),
    }),
    { minLength: 1, maxLength: 12 },
  ),
});

function asksAt(now: number, asks: readonly (Omit<Ask, 'lentAt'> & { readonly lentMicrosAgo: number })[]) {
  return asks.map(({ lentMicrosAgo, ...ask }): Ask => {
    const amount = ask.kind === 'block' ? ask.amount * 100_000 : ask.amount;
    return { ...ask, amount, lentAt: now - lentMicrosAgo };
  });
}

describe('the script', () => {
  it.each(algorithms)(
    'decides as the model does, over any calls, costs, windows and clocks (%s)',
    async (algorithm) => {
      const floor = await open(patiently(testRedis().url));
      let worlds = 0;
      const windows = fc.uniqueArray(
        fc.record({ limit: fc.integer({ min: 1, max: 40 }), windowMs: fc.integer({ min: 100, max: 4_000 }) }),
        { minLength: 1, maxLength: 3, selector: ({ windowMs }) => windowMs },
      );
      await fc.assert(
        fc.asyncProperty(
          fc.tuple(windows, windows),
          fc.array(anyTurn, { minLength: 1, maxLength: 25 }),
          async (both, turns) => {
            const world = `${++worlds}`;
            const rules = both.map((each, index) => ({ id: `${index}`, algorithm, windows: each }));
            const model = new Model();
            let now = startMicros;
            for (const { pauseMicros, asks } of turns) {
              now += pauseMicros;
              const each = asksAt(now, asks);
              expect(await run(floor, { script: lasting, world }, rules, each, now)).toEqual(
                model.run(rules, each, now),
              );
            }
          },
        ),
        { numRuns: 100 },
      );
    },
    60_000,
  );

  it('keeps a counter no longer than it tells anything', async () => {
    const floor = await open(patiently(testRedis().url));
    const windows = [{ limit: 10, windowMs: 60_000 }];
    const least: Record<Algorithm, number> = {
      sliding: 120_000,
      strict: 60_000,
      fixed: 60_000,
      bucket: 6_000,
    };
    for (const [rule, algorithm] of algorithms.entries()) {
      const rules = algorithms.map((each) => ({ id: each, algorithm: each, windows }));
      await run(
        floor,
        { script: clocked },
        rules,
        [{ key: 0, rule, kind: 'spend', amount: 1, ...nothingLent }],
        startMicros,
      );
      const key = nameOf(floor, '', { rule, key: 0 });
      const leftMs = Number(await floor.call(['PTTL', key]));
      expect(leftMs).toBeGreaterThan(least[algorithm] - 5_000);
      expect(leftMs).toBeLessThanOrEqual(least[algorithm] * 1.1);
      await run(
        floor,
        { script: clocked },
        rules,
        [{ key: 0, rule, kind: 'reward', amount: 1, ...nothingLent }],
        startMicros,
      );
      expect(await floor.call(['EXISTS', key])).toBe(0);
    }
  });
});

describe('the script that only spends', () => {
  it.each(['sliding', 'fixed', 'bucket'] as const)(
    'answers and stores what the other does, over any history of one window (%s)',
    async (algorithm) => {
      const floor = await open(patiently(testRedis().url));
      const counters = [0, 1].flatMap((rule) => [0, 1, 2].map((key) => ({ rule, key })));
      const window = fc.record({
        limit: fc.oneof(
          { weight: 9, arbitrary: fc.integer({ min: 1, max: 40 }) },
          { weight: 1, arbitrary: fc.constant(Number.MAX_SAFE_INTEGER) },
        ),
        windowMs: fc.integer({ min: 100, max: 4_000 }),
      });
      let worlds = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.tuple(window, window),
          fc.array(fc.tuple(anyTurn, fc.boolean()), { minLength: 1, maxLength: 25 }),
          async (both, turns) => {
            const [one, other] = [`${++worlds}-spend`, `${worlds}-count`];
            const rules = both.map((each, index) => ({ id: `${index}`, algorithm, windows: [each] }));
            let now = startMicros;
            for (const [{ pauseMicros, asks }, isSpending] of turns) {
              now += pauseMicros;
              const each = asksAt(now, asks).map((ask) =>
                isSpending ? { ...ask, kind: 'spend' as const } : ask,
              );
              const told = isSpending
                ? await spend(floor, one, rules, each, now)
                : await run(floor, { script: lasting, world: one }, rules, each, now);
              expect(told).toEqual(await run(floor, { script: lasting, world: other }, rules, each, now));
              expect(await storedOf(floor, one, counters)).toEqual(await storedOf(floor, other, counters));
            }
          },
        ),
        { numRuns: 100 },
      );
    },
    60_000,
  );
});
