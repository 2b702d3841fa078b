import { describe, expect, it } from 'vitest';
import type { LimitStore, LimitWindow } from '../../limits/index.js';
import { waitFor } from '../wait-for.js';

/** What the suite needs of a driver. */
export interface LimitStoreSetup {
  /** Another store in the same world, as another instance would have it; closed by whoever made it. */
  store(): Promise<LimitStore>;
}

const minute = 60_000;

/** What holds for every store of counters. */
export function limitStoreSuite(name: string, setup: () => Promise<LimitStoreSetup>): void {
  describe(name, () => {
    let policies = 0;
    const counters = async (...windows: LimitWindow[]) => {
      const world = await setup();
      const policy = `policy-${++policies}`;
      const [a, b] = [await world.store(), await world.store()];
      return { a: a.counters(policy, windows), b: b.counters(policy, windows) };
    };

    it('spends until there is no room left, and tells how it stands', async () => {
      const { a } = await counters({ limit: 3, windowMs: minute });
      for (const remaining of [2, 1, 0]) {
        expect(await a.spend('k', 1)).toEqual([
          { fits: true, limit: 3, remaining, resetMs: expect.any(Number) },
        ]);
      }
      const [use] = await a.spend('k', 1);
      expect(use).toMatchObject({ fits: false, limit: 3, remaining: 0 });
      expect(use?.resetMs).toBeGreaterThan(minute - 30_000);
      expect(use?.resetMs).toBeLessThanOrEqual(minute);
    });

    it('counts for all instances together', async () => {
      const { a, b } = await counters({ limit: 10, windowMs: minute });
      const spent = await Promise.all(
        Array.from({ length: 40 }, (_, call) => (call % 2 ? a : b).spend('k', 1)),
      );
      expect(spent.filter(([use]) => use?.fits)).toHaveLength(10);
      expect((await b.spend('k', 1))[0]?.fits).toBe(false);
    });

    it('keeps keys, policies and window lengths apart', async () => {
      const { a } = await counters({ limit: 1, windowMs: minute });
      const { a: other } = await counters({ limit: 1, windowMs: minute });
      const longer = (await (await setup()).store()).counters(`policy-${policies}`, [
        { limit: 1, windowMs: 2 * minute },
      ]);
      expect((await a.spend('k', 1))[0]?.fits).toBe(true);
      expect((await a.spend('l', 1))[0]?.fits).toBe(true);
      expect((await other.spend('k', 1))[0]?.fits).toBe(true);
      expect((await longer.spend('k', 1))[0]?.fits).toBe(true);
      expect((await a.spend('k', 1))[0]?.fits).toBe(false);
    });

    it('does not count what it refuses', async () => {
      const { a } = await counters({ limit: 10, windowMs: minute });
      await a.spend('k', 7);
      expect((await a.spend('k', 4))[0]).toMatchObject({ fits: false, remaining: 3 });
      expect((await a.spend('k', 11))[0]).toMatchObject({ fits: false, remaining: 3 });
      expect((await a.spend('k', 3))[0]).toMatchObject({ fits: true, remaining: 0 });
    });

    it('refuses for ever what costs more than the limit, and goes on counting the rest', async () => {
      const { a } = await counters({ limit: 2, windowMs: minute });
      expect((await a.spend('k', 3))[0]).toMatchObject({ fits: false, remaining: 2 });
      expect((await a.spend('k', 2))[0]).toMatchObject({ fits: true, remaining: 0 });
    });

    it('begins a new window when one has ended', async () => {
      const { a } = await counters({ limit: 1, windowMs: 150 });
      const beganAt = performance.now();
      await a.spend('k', 1);
      const again = await waitFor(async () => (await a.spend('k', 1))[0]?.fits && performance.now(), {
        intervalMs: 2,
      });
      expect(again - beganAt).toBeGreaterThanOrEqual(149);
      expect((await a.spend('k', 1))[0]?.fits).toBe(false);
    });

    it('spends in all windows or in none', async () => {
      const { a } = await counters({ limit: 2, windowMs: minute }, { limit: 100, windowMs: 60 * minute });
      for (let call = 0; call < 2; call++) await a.spend('k', 1);
      for (let call = 0; call < 50; call++) {
        const [short, long] = await a.spend('k', 1);
        expect(short).toMatchObject({ fits: false, remaining: 0 });
        expect(long).toMatchObject({ fits: true, remaining: 98 });
      }
    });

    it('gives back to the window that let pass when the other refuses, in whatever order they stand', async () => {
      const { a } = await counters({ limit: 100, windowMs: 60 * minute }, { limit: 2, windowMs: minute });
      await a.spend('k', 2);
      await Promise.all(Array.from({ length: 20 }, () => a.spend('k', 2)));
      expect((await a.spend('k', 1))[0]).toMatchObject({ fits: true, remaining: 98 });
    });

    it('counts a part of each limit when it counts for one of several', async () => {
      const { a } = await counters({ limit: 10, windowMs: minute });
      for (let call = 0; call < 4; call++) {
        expect((await a.spend('k', 1, { sharedBy: 3 }))[0]).toMatchObject({ fits: true, limit: 4 });
      }
      expect((await a.spend('k', 1, { sharedBy: 3 }))[0]?.fits).toBe(false);
      expect((await a.spend('k', 1, { sharedBy: 2 }))[0]).toMatchObject({
        fits: true,
        limit: 5,
        remaining: 0,
      });
      expect((await a.spend('k', 1, { sharedBy: 100 }))[0]).toMatchObject({ fits: false, limit: 1 });
    });

    it('ends the wait of a caller that aborts', async () => {
      const { a } = await counters({ limit: 1, windowMs: minute });
      await expect(a.spend('k', 1, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
    });
  });
}
