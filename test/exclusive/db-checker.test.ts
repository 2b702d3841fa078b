import { createTestCluster, type TestCluster } from '@pando/core/testing';
import { beforeAll, expect, it } from 'vitest';
import { check } from '../checker/check.js';
import { allFaults } from '../checker/faults.js';
import { mutations } from '../checker/mutations.js';
import { seed, testSize } from '../infra/context.js';

const isFull = testSize() === 'full';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster({ settings: { autovacuum: 'off', max_standby_streaming_delay: '1s' } });
  return () => cluster.close();
});

it('shows nobody less than he knows to be written, and carries out every effect, while everything fails', async () => {
  const report = await check({ cluster, seed: seed(), faults: allFaults, forMs: Number(process.env.FOR_MS ?? (isFull ? 120_000 : 8_000)) });
  console.log(String(report));
  expect(report.violations).toEqual([]);
  expect(report.strange).toEqual([]);
});

/** One run may be lucky; so many are not. */
const attempts = 4;

it.each(mutations)('finds it when $what ($rule)', async ({ rules, faults, ...plan }) => {
  const first = seed();
  const violations: string[] = [];
  for (let attempt = 0; attempt < attempts && violations.length === 0; attempt++) {
    const report = await check({
      ...{ cluster, seed: first + attempt, faults, rules, forMs: 3_000, untilViolation: true, writeRatio: 0 },
      ...plan,
    });
    console.log(String(report));
    violations.push(...report.violations);
  }
  expect(violations).not.toEqual([]);
});
