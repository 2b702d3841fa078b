import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Algorithm, AskKind, LimitRule } from '../../../packages/core/src/limits/index.js';
import { type CounterState, settle } from '../../../packages/core/src/limits/index.js';
import type { RedisFloor, RedisScript } from '../../../packages/core/src/redis/index.js';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile, patiently } from '../redis/floors.js';

const { open } = floorsOfThisFile();

const source = readFileSync(
  new URL('../../../packages/core/src/limits/drivers/lua/count-1.lua', import.meta.url),
  'utf8',
);
/** The script, with a clock that the test turns. */
const clocked: RedisScript = {
  name: 'count-at',
  source: source.replace("redis.call('TIME')", '{ ARGV[3], ARGV[4] }'),
};
/** The same for ever: Redis goes by its own clock when it forgets keys. */
const lasting: RedisScript = {
  name: 'count-for-ever',
  source: clocked.source.replace("'PX', ceil(keep / 1000)", "'EX', 3600"),
};

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
  const time = [Math.floor(now / 1_000_000), now % 1_000_000];
  const args = [JSON.stringify(encoded), JSON.stringify(flat), ...time];
  return (await floor.run(script, keys, args)) as readonly number[];
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
      const turn = fc.record({
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
      await fc.assert(
        fc.asyncProperty(
          fc.tuple(windows, windows),
          fc.array(turn, { minLength: 1, maxLength: 25 }),
          async (both, turns) => {
            const world = `${++worlds}`;
            const rules = both.map((each, index) => ({ id: `${index}`, algorithm, windows: each }));
            const model = new Model();
            let now = startMicros;
            for (const { pauseMicros, asks } of turns) {
              now += pauseMicros;
              const block = (ask: Ask) =>
                ask.kind === 'block' ? { ...ask, amount: ask.amount * 100_000 } : ask;
              const at = now;
              const each = asks.map(({ lentMicrosAgo, ...ask }) =>
                block({ ...ask, lentAt: at - lentMicrosAgo }),
              );
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
