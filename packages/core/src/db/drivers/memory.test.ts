import { systemClock } from '../../kernel/clock.js';
import { databaseDriverSuite } from '../../testing/suites/db.js';
import { MemoryWorld } from './memory.js';
import type { MemoryConnection } from './memory-connection.js';

databaseDriverSuite('memory', async () => {
  const world = new MemoryWorld({ clock: systemClock });
  return {
    primary: world.primary,
    replica: world.replicas[0] ?? world.primary,
    statements: {
      get: (key) => ({ text: 'get', params: [key] }),
      set: (key, value) => ({ text: 'set', params: [key, value] }),
      fail: { text: 'fail', params: ['22012'] },
      hang: { text: 'hang', params: [] },
    },
    endSession: async (connection) => (connection as MemoryConnection).lose(new Error('terminated')),
  };
});
