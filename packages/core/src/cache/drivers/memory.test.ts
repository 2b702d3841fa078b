import { onTestFinished } from 'vitest';
import { sharedLevelSuite } from '../../testing/suites/cache.js';
import { createMemoryWorld, MemoryLevel } from './memory.js';

const limits = { maxTags: 10, doubtMs: 100 };

sharedLevelSuite(
  'the memory level',
  async () => {
    const world = createMemoryWorld(limits);
    return {
      level: async () => {
        const level = new MemoryLevel(world);
        onTestFinished(() => level.close());
        await level.start();
        return level;
      },
      lose: async () => world.flush(),
    };
  },
  limits,
);
