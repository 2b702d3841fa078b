import { writeFileSync } from 'node:fs';
import { createLimits } from '@pando/core/limits';
import { createTemporaryFolder, type GuardedProcess, waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { testRedis } from '../../infra/context.js';
import { mostOfFixed, mostWithin, passedOf, startInstance } from './instances.js';

/** Calls that may have passed without a word when a process ends, and one that was counted with what it was lent. */
const slack = 10;

const windowMs = 400;
const policyOf = (algorithm: string, limit: number, lease: boolean) => ({
  windows: { limit, windowMs },
  algorithm,
  lease,
  onUnavailable: 'closed',
});
const asked = { limit: 30, lease: false };
const leased = { limit: 90, lease: true };

it.each([
  ['asking about each call', asked],
  ['with leases', leased],
])(
  'two processes that call as often as they can never pass the limit together, over the edges of windows, %s',
  async (_, { limit, lease }) => {
    await using folder = await createTemporaryFolder('pando-limits-');
    const named = (algorithm: string) => `${algorithm}-${lease ? 'leased' : 'asked'}`;
    const policies = Object.fromEntries(
      ['sliding', 'strict', 'fixed'].map((each) => [named(each), policyOf(each, limit, lease)]),
    );
    const { url, name } = testRedis();
    const processes: GuardedProcess[] = [];
    for (const each of ['a', 'b'])
      processes.push(await startInstance(folder.path, each, { redis: url, name, policies }));
    // Both take part in each policy, over several windows.
    await waitFor(
      () =>
        processes.every((each) =>
          Object.keys(policies).every((policy) => passedOf(each).some((p) => p.policy === policy)),
        ) && processes.flatMap(passedOf).length >= 3 * 6 * limit,
      { timeoutMs: 60_000 },
    );
    writeFileSync(`${folder.path}/stop`, '');
    for (const each of processes)
      expect(await each.exited, each.output({ lines: 3 })).toEqual({ code: 0, signal: null });

    const all = processes.flatMap(passedOf);
    const of = (algorithm: string) => all.filter((each) => each.policy === named(algorithm));
    expect(mostWithin(of('strict'), windowMs)).toBeLessThanOrEqual(limit);
    expect(mostWithin(of('sliding'), windowMs / 10)).toBeLessThanOrEqual(1.1 * limit);
    expect(of('fixed').length).toBeLessThanOrEqual(mostOfFixed(of('fixed'), limit, windowMs));
    expect(all.some(({ source }) => source === 'lease')).toBe(lease);
  },
  120_000,
);

it('an instance that is killed takes along no more than it was lent', async () => {
  const { url, name } = testRedis();
  await using folder = await createTemporaryFolder('pando-limits-');
  const limit = 4_000;
  const atLeast = 1_000;
  const policies = {
    killed: { windows: { limit, windowMs: 3_600_000 }, algorithm: 'fixed', lease: { forMs: 10_000 } },
  } as const;
  const instance = await startInstance(folder.path, 'a', { redis: url, name, policies });
  await waitFor(() => passedOf(instance).length >= atLeast, { timeoutMs: 60_000 });
  await instance.kill();

  const limits = createLimits({ redis: url, name, policies, decisionTimeoutMs: 10_000 });
  onTestFinished(() => limits.close());
  await limits.start();
  const { remaining } = await limits.peek('killed', 'everybody');
  const lost = limit - passedOf(instance).length - remaining;
  expect(lost).toBeGreaterThanOrEqual(0);
  // It was lent half of what was left then, at most.
  expect(lost).toBeLessThanOrEqual((limit - atLeast) / 2 + slack);
  let passed = 0;
  while ((await limits.consume('killed', 'everybody')).allowed) passed++;
  expect(passed).toBe(remaining);
}, 120_000);
