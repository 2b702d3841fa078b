import { describe, expect, it } from 'vitest';
import type { Attempt, Limits, LimitsOptions } from '../../limits/index.js';

/** What the suite needs of the stores behind a limits room. */
export interface AttemptSetup {
  /** Another room in the same world, as another instance would have it; closed by whoever made it. */
  limits(options: LimitsOptions): Promise<Limits>;
}

const hour = 3_600_000;

/** What protections promise, whatever counts for them. `setup` makes a world that nobody else has used. */
export function attemptSuite(name: string, setup: () => Promise<AttemptSetup>): void {
  describe(name, () => {
    const instances = async (address = '20/h') => {
      const world = await setup();
      const login = { address, account: '10/h', pair: '5/h', blockMs: [hour], slowMs: 1 };
      const protections = { login };
      const rooms = [await world.limits({ protections }), await world.limits({ protections })] as const;
      let calls = 0;
      /** On one instance after the other. */
      return (account: string, address: string): Promise<Attempt> =>
        (rooms[calls++ % 2] as Limits).attempt('login', { account, address });
    };
    const address = '203.0.113.7';

    it('block an account for an address after too many failures, on all instances, and nobody else', async () => {
      const begin = await instances();
      for (const remaining of [4, 3, 2, 1, 0]) {
        const attempt = await begin('ann', address);
        expect(attempt).toMatchObject({ allowed: true, decision: { policy: 'login', remaining } });
        await attempt.failed();
      }
      for (let call = 0; call < 2; call++) {
        const { allowed, decision } = await begin('ann', address);
        expect([allowed, decision.policy]).toEqual([false, 'login']);
        expect(decision.retryAfterMs).toBeGreaterThan(0.9 * hour);
        expect(decision.retryAfterMs).toBeLessThanOrEqual(hour);
      }
      expect((await begin('ann', '198.51.100.1')).allowed).toBe(true);
      expect((await begin('ben', address)).allowed).toBe(true);
    });

    it('count failures only, and forget those of the two after a success', async () => {
      const begin = await instances();
      for (let round = 0; round < 8; round++) {
        for (let failure = 0; failure < 2; failure++) await (await begin('ann', address)).failed();
        await (await begin('ann', address)).succeeded();
      }
      // Sixteen failures of the address are left, and no success.
      for (const account of ['a', 'b', 'c', 'd']) await (await begin(account, address)).failed();
      expect((await begin('e', address)).allowed).toBe(false);
    });

    it('let no more pass of many at once than there is room for', async () => {
      const begin = await instances('60/h');
      const attempts = await Promise.all(Array.from({ length: 50 }, () => begin('ann', address)));
      const allowed = attempts.filter((attempt) => attempt.allowed);
      expect(allowed).toHaveLength(5);
      await Promise.all(allowed.map((attempt) => attempt.failed()));
      expect((await begin('ann', address)).allowed).toBe(false);
      // What was refused was not counted against the address, nor against the account.
      const others = await Promise.all(
        Array.from({ length: 56 }, (_, other) => begin(`other${other}`, address)),
      );
      expect(others.filter((attempt) => attempt.allowed)).toHaveLength(55);
    });

    it('refuse an address that tries many accounts', async () => {
      const begin = await instances();
      for (let account = 0; account < 20; account++) await (await begin(`user${account}`, address)).failed();
      expect((await begin('user20', address)).allowed).toBe(false);
      expect((await begin('user20', '198.51.100.1')).allowed).toBe(true);
    });

    it('never refuse an account for failures from elsewhere', async () => {
      const begin = await instances();
      for (let host = 0; host < 30; host++) await (await begin('ann', `198.51.100.${host}`)).failed();
      const attempt = await begin('ann', address);
      expect(attempt.allowed).toBe(true);
      await attempt.succeeded();
    });

    it('take all ways to write an account, and to write an address, for one', async () => {
      const begin = await instances();
      const accounts = ['ann@x.com', 'ANN@X.COM', ' ann@x.com', 'ａnn@x.com', 'Ann@X.com'];
      const addresses = ['2001:db8::1', '2001:DB8::2', '2001:db8:0:0:1::', '2001:0db8::9', '2001:db8::ffff'];
      for (const [index, account] of accounts.entries())
        await (await begin(account, addresses[index] as string)).failed();
      expect((await begin('ann@x.com', '2001:db8::3')).allowed).toBe(false);
    });
  });
}
