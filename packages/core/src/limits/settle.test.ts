import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Algorithm, AskKind, LimitRule } from './ports.js';
import { type CounterState, settle } from './settle.js';

const start = 1_700_000_000_000_000;

/** A counter, and a clock that the test turns. */
class Counter {
  now = start;
  readonly #rule: LimitRule;
  #state: CounterState | undefined;

  constructor(algorithm: Algorithm, ...windows: (readonly [limit: number, windowMs: number])[]) {
    const each = windows.map(([limit, windowMs]) => ({ limit, windowMs }));
    this.#rule = { id: 'p', algorithm, windows: each };
  }

  ask(kind: AskKind, amount: number, atMs = (this.now - start) / 1_000) {
    this.now = start + Math.round(atMs * 1_000);
    const ask = { rule: this.#rule, key: 'k', kind, amount };
    const { verdict, state, keepMs } = settle(this.#state, ask, this.now);
    if (state !== undefined) this.#state = keepMs > 0 ? state : undefined;
    return verdict;
  }

  spend(amount: number, atMs?: number) {
    return this.ask('spend', amount, atMs);
  }

  /** How many single calls pass at that instant. */
  flood(atMs: number): number {
    let passed = 0;
    while (this.spend(1, atMs).fits) passed++;
    return passed;
  }
}

describe('a fixed window', () => {
  it('begins with the first call and ends after its length', () => {
    const counter = new Counter('fixed', [10, 1_000]);
    expect(counter.spend(1, 0)).toEqual({ fits: true, window: 0, remaining: 9, resetMs: 1_000 });
    expect(counter.flood(999)).toBe(9);
    expect(counter.spend(1, 999)).toEqual({ fits: false, window: 0, remaining: 0, resetMs: 1 });
    expect(counter.flood(1_000)).toBe(10);
    expect(counter.flood(1_999)).toBe(0);
    expect(counter.flood(5_000)).toBe(10);
  });
});

describe('a sliding window', () => {
  it('frees what was spent in the period before little by little', () => {
    const counter = new Counter('sliding', [100, 1_000]);
    expect(counter.spend(1, 0)).toEqual({ fits: true, window: 0, remaining: 99, resetMs: 1_000 });
    expect(counter.flood(999)).toBe(99);
    expect(counter.flood(1_000)).toBe(0);
    expect(counter.flood(1_000.001)).toBe(1);
    expect(counter.flood(1_100)).toBe(9);
    expect(counter.flood(1_500)).toBe(40);
    expect(counter.flood(1_999)).toBe(50);
    expect(counter.flood(3_500)).toBe(100);
  });

  it('lets as many pass as it says, also when that is one', () => {
    const counter = new Counter('sliding', [1, 1_000]);
    expect([0, 500, 1_001, 1_500, 2_002, 3_003].map((at) => counter.spend(1, at).fits)).toEqual([
      ...[true, false, true, false, true, true],
    ]);
  });
});

describe('a strict window', () => {
  it('frees each tenth when it is a window ago', () => {
    const counter = new Counter('strict', [10, 1_000]);
    expect(counter.spend(4, 50).remaining).toBe(6);
    expect(counter.spend(6, 450).remaining).toBe(0);
    expect(counter.spend(1, 1_050)).toMatchObject({ fits: false, resetMs: 50 });
    expect(counter.spend(5, 1_050)).toMatchObject({ fits: false, resetMs: 450 });
    expect(counter.flood(1_100)).toBe(4);
    expect(counter.flood(1_499)).toBe(0);
    expect(counter.flood(1_500)).toBe(6);
    expect(counter.flood(9_000)).toBe(10);
  });
});

describe('a bucket', () => {
  it('is refilled evenly', () => {
    const counter = new Counter('bucket', [10, 1_000]);
    expect(counter.flood(0)).toBe(10);
    expect(counter.spend(1, 0)).toEqual({ fits: false, window: 0, remaining: 0, resetMs: 100 });
    expect(counter.flood(99)).toBe(0);
    expect(counter.flood(100)).toBe(1);
    expect(counter.flood(350)).toBe(2);
    expect(counter.flood(400)).toBe(1);
    expect(counter.flood(9_000)).toBe(10);
  });
});

const algorithms: readonly Algorithm[] = ['sliding', 'strict', 'fixed', 'bucket'];

describe.each(algorithms)('every window: %s', (algorithm) => {
  it('of several, all pay or none, and the one that refuses for longest is named', () => {
    const counter = new Counter(algorithm, [2, 1_000], [3, 60_000]);
    counter.spend(2, 0);
    for (let call = 0; call < 5; call++)
      expect(counter.spend(1, 1)).toMatchObject({ fits: false, window: 0 });
    expect(counter.spend(1, 2_500)).toMatchObject({ fits: true, window: 1, remaining: 0 });
    const refused = counter.spend(2, 2_500);
    expect(refused).toMatchObject({ fits: false, window: 1 });
    expect(refused.resetMs).toBeGreaterThan(10_000);
  });

  it('survives a clock that is set back, and locks nobody out for longer than it might have', () => {
    const counter = new Counter(algorithm, [5, 60_000]);
    expect(counter.flood(3_600_000)).toBe(5);
    counter.spend(1, 3_599_000);
    expect(counter.flood(3_599_000)).toBe(0);
    expect(counter.flood(0)).toBe(5);
  });

  it('lets one pass again when it has said so, if nobody else did', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 100, max: 5_000 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 1, max: 5 })), {
          maxLength: 30,
        }),
        (limit, windowMs, calls) => {
          const counter = new Counter(algorithm, [limit, windowMs]);
          let at = 0;
          for (const [pauseMs, cost] of calls) {
            at += pauseMs;
            const verdict = counter.spend(cost, at);
            if (verdict.fits || cost > limit) continue;
            expect(verdict.resetMs).toBeGreaterThan(0);
            expect(counter.ask('peek', cost, at + verdict.resetMs - 1.01).fits).toBe(false);
            expect(counter.ask('peek', cost, at + verdict.resetMs).fits).toBe(true);
          }
        },
      ),
    );
  });

  it('never lets more pass than it promises, whoever calls when', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 700_000 }), fc.integer({ min: 1, max: 12 })), {
          maxLength: 120,
        }),
        (limit, calls) => {
          const windowMs = 1_000;
          const counter = new Counter(algorithm, [limit, windowMs]);
          const passed: { readonly at: number; readonly cost: number }[] = [];
          let at = 0;
          for (const [pauseMicros, cost] of calls) {
            at += pauseMicros / 1_000;
            if (counter.spend(cost, at).fits) passed.push({ at, cost });
          }
          const most = (lengthMs: number) =>
            Math.max(
              0,
              ...passed.map(({ at: from }) =>
                passed
                  .filter((call) => call.at >= from && call.at < from + lengthMs)
                  .reduce((sum, { cost }) => sum + cost, 0),
              ),
            );
          const promised: Record<Algorithm, [lengthMs: number, most: number]> = {
            sliding: [windowMs / 10, limit + Math.ceil(limit / 10)],
            strict: [windowMs, limit],
            fixed: [windowMs, 2 * limit],
            bucket: [windowMs, 2 * limit],
          };
          const [lengthMs, bound] = promised[algorithm];
          expect(most(lengthMs)).toBeLessThanOrEqual(bound);
        },
      ),
    );
  });
});
