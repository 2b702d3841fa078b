import { createTestCluster, type TestCluster } from '@pando/core/testing';
import { beforeAll, expect, it } from 'vitest';
import type { KitRules } from '../../packages/core/src/pando.js';
import { check } from '../checker/check.js';
import { allFaults, faultsBesideRedis, slowReplays } from '../checker/faults.js';
import { checkLoss } from '../checker/loss.js';
import { historiesNotFollowed, mutations } from '../checker/mutations.js';
import { seed, testSize } from '../infra/context.js';

/*
 * Clients write, read and listen through a fleet of instances, while servers, instances and the network between them
 * fail. Nobody may be shown less than he knows. Then one rule after the other is switched off, and that must be noticed.
 */

const { runs, forMs } = testSize() === 'full' ? { runs: 5, forMs: 30_000 } : { runs: 1, forMs: 5_000 };
/** How long a rule that is switched off may stay unnoticed. One run may be lucky. */
const patienceMs = 40_000;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster({ settings: { autovacuum: 'off', max_standby_streaming_delay: '1s' } });
  return () => cluster.close();
});

it.each([
  [
    'less than he knows to be written, and carries out every effect, while everything fails',
    { faults: allFaults },
  ],
  [
    'less than he knows, where one name stands for both replicas',
    { faults: slowReplays, hasOneName: true, forMs: 2_500 },
  ],
  ['less than he has read, at level monotonic', { faults: faultsBesideRedis, isMonotonic: true }],
])('shows nobody %s', async (_, plan) => {
  const first = seed();
  for (let run = 0; run < runs; run++) {
    const report = await check({ cluster, seed: first + run, forMs, ...plan });
    console.log(String(report));
    expect(report.violations).toEqual([]);
    expect(report.strange).toEqual([]);
  }
});

it.each(mutations.map((mutation) => [mutation.what, mutation] as const))(
  'notices that %s',
  async (_, mutation) => {
    const first = seed();
    const violations: string[] = [];
    const endsAt = performance.now() + patienceMs;
    for (let run = 0; violations.length === 0 && performance.now() < endsAt; run++) {
      const load = { forMs: 3_000, writeRatio: 0, untilViolation: true };
      const report = await check({ cluster, seed: first + run, ...load, ...mutation });
      console.log(String(report));
      violations.push(...report.violations);
    }
    expect(violations).not.toEqual([]);
  },
);

const historyIsLeft = async (rules?: KitRules) => {
  await using own = await createTestCluster({ replicas: 1 });
  const report = await checkLoss({ cluster: own, seed: seed(), rules });
  console.log(String(report));
  return report.violations;
};

it('shows nobody from a cache what the database has lost', async () => {
  expect(await historyIsLeft()).toEqual([]);
});

it('notices that caches keep what was read on a history that the database has left', async () => {
  expect(await historyIsLeft(historiesNotFollowed)).not.toEqual([]);
});
