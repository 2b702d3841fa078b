import { expect, it } from 'vitest';
import { type Clock, systemClock } from '../../kernel/clock.js';
import { jobStoreSuite } from '../../testing/suites/jobs.js';
import { createJobsWorld, MemoryJobStore } from './memory.js';

jobStoreSuite('a store of jobs in memory', async () => {
  const world = createJobsWorld();
  let stores = 0;
  return {
    store: async () => new MemoryJobStore({ clock: systemClock, self: `instance-${++stores}`, world }),
  };
});

it('decides and answers by one reading of the clock', async () => {
  let now = 1_000;
  const restless: Clock = { ...systemClock, now: () => now++ };
  const store = new MemoryJobStore({ clock: restless, self: 'a', world: createJobsWorld() });
  const { last } = await store.look('job');
  const run = { last, dueAt: last, startWithinMs: 1, leaseMs: 1_000, maxAttempts: 1, claimId: 'c' };
  await store.look('job');
  const late = await store.claim('job', run);
  expect(late).toMatchObject({ outcome: 'late', last: late.now });
});
