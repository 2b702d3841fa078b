import { expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createCache } from './index.js';

it('an invalidation inside a transaction is warned of, once: it comes before the commit', async () => {
  const warnings: unknown[] = [];
  const quiet = () => undefined;
  const logger = {
    debug: quiet,
    info: quiet,
    error: quiet,
    warn: (...args: unknown[]) => warnings.push(args),
  };
  const kernel = createKernel({ logger });
  const cache = createCache({}, { kernel });
  await cache.invalidate(['posts']);
  expect(warnings).toEqual([]);
  const inside = kernel.contexts.current().inside('main');
  for (let time = 0; time < 2; time++) await kernel.contexts.run(inside, () => cache.invalidate(['posts']));
  expect(warnings).toEqual([[{ tags: ['posts'] }, expect.stringContaining('Use tx.invalidate')]]);
});
