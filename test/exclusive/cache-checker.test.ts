import { beforeAll, expect, it } from 'vitest';
import { checkCache } from '../checker/cache/check.js';
import { allFaults, faultsBesideRedis } from '../checker/cache/faults.js';
import { cacheMutations } from '../checker/cache/mutations.js';
import { seed, testSize } from '../infra/context.js';
import { type RedisServer, startRedis } from '../infra/redis.js';

/*
 * Clients write and read through several instances of the cache, while Redis, the network and instances fail. Nobody may be
 * shown less than he knows. Then one rule after the other is switched off, and that must be noticed.
 */

const { runs, forMs } = testSize() === 'full' ? { runs: 3, forMs: 20_000 } : { runs: 1, forMs: 5_000 };
/**
 * How long a rule that is switched off may stay unnoticed, and how often it has a chance to be noticed at least, however long
 * that takes on a busy machine: with each fault, or else with each so many requests. One run may be lucky.
 */
const patience = { forMs: 30_000, chances: 40, requests: 100, atMostMs: 200_000 };

const sum = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((all, count) => all + count, 0);

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
  return () => redis.close();
});

it.each([
  ['less than he knows to be written, while everything fails', { faults: allFaults }],
  [
    'less than he knows, or was said where he asks, while invalidations are forgotten soon',
    { faults: allFaults, maxTags: 12, isReplicaLate: false },
  ],
  ['less than he has read, at level monotonic', { faults: faultsBesideRedis, isMonotonic: true }],
])('shows nobody %s', async (_, plan) => {
  const first = seed();
  for (let run = 0; run < runs; run++) {
    const report = await checkCache({ redis, seed: first + run, forMs, ...plan });
    console.log(String(report));
    expect(report.violations).toEqual([]);
    expect(report.strange).toEqual([]);
  }
});

it.each(cacheMutations.map((mutation) => [mutation.what, mutation] as const))(
  'notices that %s',
  async (_, mutation) => {
    const first = seed();
    const violations: string[] = [];
    const beganAt = performance.now();
    let chances = 0;
    const isPatient = () => {
      const passedMs = performance.now() - beganAt;
      return passedMs < patience.forMs || (chances < patience.chances && passedMs < patience.atMostMs);
    };
    for (let run = 0; violations.length === 0 && isPatient(); run++) {
      const load = {
        forMs: 10_000,
        untilViolation: true,
        writeRatio: 0.2,
        isShortLived: false,
        failRatio: 0,
      };
      const report = await checkCache({ redis, seed: first + run, ...load, ...mutation });
      console.log(String(report));
      violations.push(...report.violations);
      const requests = sum(report.operations) / patience.requests;
      chances += mutation.faults.length === 0 ? requests : sum(report.faults);
    }
    expect(violations).not.toEqual([]);
  },
  patience.atMostMs + 60_000,
);
