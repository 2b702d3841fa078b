import { expect, it } from 'vitest';
import { metricsRegistrySuite } from '../../testing/suites/metrics.js';
import { createMetrics } from '../create.js';
import { createMemoryRegistry } from './memory.js';

metricsRegistrySuite('a registry in memory', createMemoryRegistry);

it('a registry in memory can be asked for values', async () => {
  const registry = createMemoryRegistry();
  const { meter } = createMetrics({ registry });
  meter.gauge({ name: 'a', help: 'A.', type: 'gauge', labels: ['x', 'y'] }, { x: '1', y: '2' }).set(5);
  meter.histogram({ name: 'b', help: 'B.', type: 'histogram', buckets: [1] }).record(0.5);
  expect(await registry.value('a', { y: '2', x: '1' })).toBe(5);
  expect(await registry.value('a', { x: '1' })).toBeUndefined();
  expect(await registry.value('b_bucket', { le: 1 })).toBe(1);
  expect(await registry.value('b_count')).toBe(1);
});
