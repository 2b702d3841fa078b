import { systemClock } from '../../kernel/clock.js';
import { jobStoreSuite } from '../../testing/suites/jobs.js';
import { createJobsWorld, MemoryJobStore } from './memory.js';

jobStoreSuite('a store of jobs in memory', async () => {
  const world = createJobsWorld();
  let stores = 0;
  return {
    store: async () => new MemoryJobStore({ clock: systemClock, self: `instance-${++stores}`, world }),
  };
});
