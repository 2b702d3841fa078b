import { describe, expect, it } from 'vitest';
import type { Algorithm, LimitAsk, LimitStore, LimitVerdict, LimitWindow } from '../../limits/index.js';
import { waitFor } from '../wait-for.js';

/** What the suite needs of a driver. */
export interface LimitStoreSetup {
  /** Another store in the same world, as another instance would have it; closed by whoever made it. */
  store(): Promise<LimitStore>;
}

const minute = 60_000;
const algorithms: readonly Algorithm[] = ['sliding', 'strict', 'fixed', 'bucket'];

/** The counters of one rule, as one instance asks for them. */
class Counters {
  readonly #store: LimitStore;
  readonly #rule: LimitAsk['rule'];

  constructor(store: LimitStore, rule: LimitAsk['rule']) {
    this.#store = store;
    this.#rule = rule;
  }

  ask(kind: LimitAsk['kind'], key: string, amount: number): LimitAsk {
    return { rule: this.#rule, kind, key, amount };
  }

  /** In one call for each place. */
  async all(asks: readonly LimitAsk[]): Promise<readonly LimitVerdict[]> {
    const places = new Map<number, LimitAsk[]>();
    for (const ask of asks) {
      const place = this.#store.placeOf?.(ask.rule, ask.key) ?? 0;
      places.set(place, [...(places.get(place) ?? []), ask]);
    }
    const verdicts = new Map<LimitAsk, LimitVerdict>();
    for (const together of places.values()) {
      const answers = await this.#store.ask(together);
      for (const [index, ask] of together.entries()) verdicts.set(ask, answers[index] as LimitVerdict);
    }
    return asks.map((ask) => verdicts.get(ask) as LimitVerdict);
  }

  async one(kind: LimitAsk['kind'], key: string, amount: number): Promise<LimitVerdict> {
    const [verdict] = await this.#store.ask([this.ask(kind, key, amount)]);
    return verdict as LimitVerdict;
  }

  /** The same counters under other limits. */
  withLimits(...limits: number[]): Counters {
    const windows = this.#rule.windows.map((window, w) => ({ ...window, limit: limits[w] as number }));
    return new Counters(this.#store, { ...this.#rule, windows });
  }

  spend(key: string, cost: number): Promise<LimitVerdict> {
    return this.one('spend', key, cost);
  }
}

/** What holds for every store of counters. */
export function limitStoreSuite(name: string, setup: () => Promise<LimitStoreSetup>): void {
  describe.each(algorithms)(`${name}, counting %s`, (algorithm) => {
    let policies = 0;
    const idOf = (policy: number, windows: readonly LimitWindow[]) =>
      `${algorithm}-${policy}.${windows.map(({ windowMs }) => windowMs).join('.')}`;
    const counters = async (...windows: LimitWindow[]) => {
      const world = await setup();
      const rule = { id: idOf(++policies, windows), algorithm, windows };
      return { a: new Counters(await world.store(), rule), b: new Counters(await world.store(), rule) };
    };

    it('spends until there is no room left, and tells how it stands', async () => {
      const { a } = await counters({ limit: 3, windowMs: minute });
      for (const remaining of [2, 1, 0]) {
        const verdict = await a.spend('k', 1);
        expect(verdict).toEqual({ fits: true, window: 0, remaining, resetMs: expect.any(Number) });
        expect(verdict.resetMs).toBeGreaterThan(0);
        expect(verdict.resetMs).toBeLessThanOrEqual(minute);
      }
      const refused = await a.spend('k', 1);
      expect(refused).toMatchObject({ fits: false, window: 0, remaining: 0 });
      expect(refused.resetMs).toBeGreaterThan(0);
      expect(refused.resetMs).toBeLessThanOrEqual(1.1 * minute);
    });

    it('counts for all instances together', async () => {
      const { a, b } = await counters({ limit: 10, windowMs: 60 * minute });
      const spent = await Promise.all(
        Array.from({ length: 40 }, (_, call) => (call % 2 ? a : b).spend('k', 1)),
      );
      expect(spent.filter(({ fits }) => fits)).toHaveLength(10);
      expect((await b.spend('k', 1)).fits).toBe(false);
    });

    it('answers many asks in one call, in their order, as if one came after the other', async () => {
      const { a } = await counters({ limit: 3, windowMs: 60 * minute });
      const asks = [...'kkklkkl'].map((key) => a.ask('spend', key, 1));
      const verdicts = await a.all(asks);
      expect(verdicts.map(({ fits }) => fits)).toEqual([true, true, true, true, false, false, true]);
      expect(verdicts.map(({ remaining }) => remaining)).toEqual([2, 1, 0, 2, 0, 0, 1]);
    });

    it('answers asks about several rules, at several costs, in one call', async () => {
      const { a } = await counters({ limit: 10, windowMs: 60 * minute });
      const { a: other } = await counters({ limit: 20, windowMs: 60 * minute });
      const asks = [1, 2, 3, 4].flatMap((cost) => [
        a.ask('spend', 'k', cost),
        a.ask('spend', 'l', 1),
        a.ask('spend', 'k', 1),
        other.ask('spend', 'k', cost),
      ]);
      const verdicts = await a.all(asks);
      expect(verdicts.map(({ remaining }) => remaining)).toEqual(
        [9, 9, 8, 19].concat([6, 8, 5, 17], [2, 7, 1, 14], [1, 6, 0, 10]),
      );
      expect(verdicts.flatMap(({ fits }, index) => (fits ? [] : [index]))).toEqual([12]);
    });

    it('keeps keys, policies and window lengths apart', async () => {
      const { a } = await counters({ limit: 1, windowMs: 60 * minute });
      const { a: other } = await counters({ limit: 1, windowMs: 60 * minute });
      const windows = [{ limit: 1, windowMs: 120 * minute }];
      const rule = { id: idOf(policies, windows), algorithm, windows };
      const longer = new Counters(await (await setup()).store(), rule);
      expect((await a.spend('k', 1)).fits).toBe(true);
      expect((await a.spend('l', 1)).fits).toBe(true);
      expect((await other.spend('k', 1)).fits).toBe(true);
      expect((await longer.spend('k', 1)).fits).toBe(true);
      expect((await a.spend('k', 1)).fits).toBe(false);
    });

    it('goes on counting when a limit changes', async () => {
      const { a } = await counters({ limit: 4, windowMs: 60 * minute });
      const of = (limit: number) => a.withLimits(limit);
      for (let call = 0; call < 4; call++) expect((await of(4).spend('k', 1)).fits).toBe(true);
      expect((await of(4).spend('k', 1)).fits).toBe(false);
      expect(await of(5).spend('k', 1)).toMatchObject({ fits: true, remaining: 0 });
      expect(await of(1).spend('k', 1)).toMatchObject({ fits: false, remaining: 0 });
    });

    it('does not count what it refuses', async () => {
      const { a } = await counters({ limit: 10, windowMs: 60 * minute });
      await a.spend('k', 7);
      expect(await a.spend('k', 4)).toMatchObject({ fits: false, remaining: 3 });
      expect(await a.spend('k', 11)).toMatchObject({ fits: false, remaining: 3 });
      expect(await a.spend('k', 3)).toMatchObject({ fits: true, remaining: 0 });
    });

    it('refuses for ever what costs more than the limit, and goes on counting the rest', async () => {
      const { a } = await counters({ limit: 2, windowMs: minute });
      expect(await a.spend('k', 3)).toMatchObject({ fits: false, remaining: 2 });
      expect(await a.spend('k', 2)).toMatchObject({ fits: true, remaining: 0 });
    });

    it('has room again when it has said so, and not before', async () => {
      const { a } = await counters({ limit: 1, windowMs: 200 });
      await a.spend('k', 1);
      const { fits, resetMs } = await a.spend('k', 1);
      const askedAt = performance.now();
      expect(fits).toBe(false);
      const again = await waitFor(async () => (await a.spend('k', 1)).fits && performance.now(), {
        intervalMs: 2,
      });
      // What is told in whole milliseconds was asked for up to one earlier.
      expect(again - askedAt).toBeGreaterThanOrEqual(Math.min(resetMs, 200) - 20);
    });

    it('spends in all windows or in none', async () => {
      const { a } = await counters(
        { limit: 2, windowMs: 60 * minute },
        { limit: 100, windowMs: 24 * 60 * minute },
      );
      for (let call = 0; call < 2; call++) expect((await a.spend('k', 1)).window).toBe(0);
      for (let call = 0; call < 50; call++)
        expect(await a.spend('k', 1)).toMatchObject({ fits: false, window: 0, remaining: 0 });
      // The same counter with more room in the first window tells of the second.
      expect(await a.withLimits(1_000, 100).one('peek', 'k', 1)).toMatchObject({ window: 1, remaining: 98 });
    });

    it('names the window that refuses, in whatever order they stand', async () => {
      const { a } = await counters({ limit: 100, windowMs: 60 * minute }, { limit: 2, windowMs: minute });
      expect(await a.spend('k', 2)).toMatchObject({ fits: true, window: 1, remaining: 0 });
      const refused = await a.all(Array.from({ length: 20 }, () => a.ask('spend', 'k', 2)));
      expect(new Set(refused.map(({ window }) => window))).toEqual(new Set([1]));
      expect(await a.spend('k', 101)).toMatchObject({ fits: false, window: 0, remaining: 98 });
    });

    it('tells how a key stands without changing that', async () => {
      const { a } = await counters({ limit: 3, windowMs: 60 * minute });
      for (let look = 0; look < 5; look++)
        expect(await a.one('peek', 'k', 3)).toMatchObject({ fits: true, remaining: 3 });
      await a.spend('k', 2);
      expect(await a.one('peek', 'k', 2)).toMatchObject({ fits: false, remaining: 1 });
      expect(await a.one('peek', 'k', 1)).toMatchObject({ fits: true, remaining: 1 });
    });

    it('lets a key pay later for what did not fit, and gives back down to nothing spent', async () => {
      const { a } = await counters({ limit: 3, windowMs: 60 * minute });
      expect(await a.one('penalize', 'k', 5)).toMatchObject({ fits: false, remaining: 0 });
      expect(await a.one('reward', 'k', 4)).toMatchObject({ fits: true, remaining: 2 });
      expect(await a.one('reward', 'k', 100)).toMatchObject({ fits: true, remaining: 3 });
      expect(await a.spend('k', 4)).toMatchObject({ fits: false, remaining: 3 });
    });

    it('lends part of what is left, which nobody else can spend, and takes it back', async () => {
      const { a, b } = await counters({ limit: 100, windowMs: 60 * minute });
      const lend = { ...a.ask('lend', 'k', 10), wanted: 1_000, parts: 4 };
      const [lent] = await a.all([lend]);
      expect(lent).toMatchObject({ fits: true, remaining: 68, loan: { amount: 22 } });
      expect(lent?.loan?.forMs).toBeGreaterThan(0);
      expect(lent?.loan?.forMs).toBeLessThanOrEqual(60 * minute);
      expect(await b.spend('k', 69)).toMatchObject({ fits: false, remaining: 68 });
      expect((await b.spend('k', 68)).fits).toBe(true);
      const { lentAt = 0 } = lent?.loan ?? {};
      await a.all([{ ...a.ask('return', 'k', 20), lentAt }]);
      expect(await b.spend('k', 20)).toMatchObject({ fits: true, remaining: 0 });
      const [refused] = await a.all([{ ...lend, amount: 1 }]);
      expect(refused).toMatchObject({ fits: false });
      expect(refused?.loan).toBeUndefined();
    });

    it('lends nothing where too little is left, and no more than is wanted', async () => {
      const { a } = await counters({ limit: 10, windowMs: 60 * minute });
      const lend = (wanted: number, parts: number) =>
        a.all([{ ...a.ask('lend', 'k', 1), wanted, parts }]).then(([verdict]) => verdict?.loan?.amount);
      expect(await lend(2, 1)).toBe(2);
      expect(await lend(2, 7)).toBe(0);
    });

    it('takes back nothing into a period that what was lent was not taken from', async () => {
      const { a } = await counters({ limit: 10, windowMs: 60 * minute });
      const [lent] = await a.all([{ ...a.ask('lend', 'k', 5), wanted: 5, parts: 1 }]);
      const lentAt = (lent?.loan?.lentAt ?? 0) - 121 * minute * 1_000;
      await a.all([{ ...a.ask('return', 'k', 5), lentAt }]);
      expect((await a.spend('k', 1)).fits).toBe(false);
    });

    it('refuses everything while a key is blocked, and forgets all that on demand', async () => {
      const { a, b } = await counters({ limit: 3, windowMs: 60 * minute });
      await a.spend('k', 2);
      const blocked = await a.one('block', 'k', 10 * minute * 1_000);
      expect(blocked).toMatchObject({ fits: false, window: -1, remaining: 0 });
      expect((await b.spend('k', 1)).resetMs).toBeGreaterThan(9 * minute);
      expect(await a.one('block', 'k', 0)).toMatchObject({ fits: true, remaining: 1 });
      await a.one('block', 'k', minute * 1_000);
      expect(await a.one('reset', 'k', 0)).toMatchObject({ fits: true, remaining: 3 });
      expect(await b.spend('k', 3)).toMatchObject({ fits: true, remaining: 0 });
    });
  });
}
