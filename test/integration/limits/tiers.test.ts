import { createLimits, type Limits, type LimitsOptions } from '@pando/core/limits';
import { waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { testRedis } from '../../infra/context.js';

async function startLimits(options: LimitsOptions): Promise<Limits> {
  // Long enough that a busy machine makes no decision without Redis.
  const limits = createLimits({ decisionTimeoutMs: 5_000, ...options });
  onTestFinished(() => limits.close());
  await limits.start();
  return limits;
}

const algorithms = ['sliding', 'strict', 'fixed', 'bucket'] as const;

it.each(algorithms)(
  'tiers of a %s policy share what a key has spent, on all instances',
  async (algorithm) => {
    const { url: redis, name } = testRedis();
    const tiers = { free: ['5/h', '50/day'], premium: '20/h', enterprise: false } as const;
    const policies = { [algorithm]: { tiers, algorithm } };
    const [a, b] = [
      await startLimits({ redis, name, policies }),
      await startLimits({ redis, name, policies }),
    ];
    await a.consume(algorithm, 'ann', { tier: 'enterprise', cost: 1_000 });
    expect(await a.consume(algorithm, 'ann', { cost: 5 })).toMatchObject({ allowed: true, remaining: 0 });
    const refused = { allowed: false, tier: 'free', limit: 5, windowMs: 3_600_000 };
    expect(await a.consume(algorithm, 'ann')).toMatchObject({ ...refused, source: 'redis' });
    expect(await a.consume(algorithm, 'ann')).toMatchObject({ ...refused, source: 'denied' });

    const upgraded = await a.consume(algorithm, 'ann', { tier: 'premium', cost: 10 });
    expect(upgraded).toMatchObject({ allowed: true, limit: 20, remaining: 5, source: 'redis' });
    expect(await b.consume(algorithm, 'ann')).toMatchObject(refused);
    expect((await b.consume(algorithm, 'ann', { tier: 'premium', cost: 6 })).allowed).toBe(false);

    await b.reset(algorithm, 'ann');
    await waitFor(async () => (await a.consume(algorithm, 'ann')).allowed); // a has heard
    expect((await b.consume(algorithm, 'ann', { tier: 'premium' })).allowed).toBe(true);
  },
);

it('a shadow counts in Redis, and lets pass what it knows to be refused', async () => {
  const { url: redis, name } = testRedis();
  const limits = await startLimits({ redis, name, policies: { seen: { windows: '1/h', shadow: true } } });
  const decisions = [];
  for (let call = 0; call < 3; call++) decisions.push(await limits.consume('seen', 'ann'));
  expect(decisions.map(({ allowed, shadowed, source }) => [allowed, shadowed, source])).toEqual([
    [true, undefined, 'redis'],
    [true, true, 'redis'],
    [true, true, 'denied'],
  ]);
});
