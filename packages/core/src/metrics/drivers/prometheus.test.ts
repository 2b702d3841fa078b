import { AggregatorRegistry, Counter, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { LogMethod } from '../../kernel/logger.js';
import { noopLogger } from '../../kernel/logger.js';
import type { Instrument } from '../../kernel/meter.js';
import { exposedValue, parseExposition } from '../../testing/exposition.js';
import { metricsRegistrySuite } from '../../testing/suites/metrics.js';
import { createMetrics } from '../create.js';
import { createPrometheusRegistry } from './prometheus.js';

metricsRegistrySuite('a prom-client registry', () => new Registry());
metricsRegistrySuite('a prom-client registry that speaks OpenMetrics', () =>
  createPrometheusRegistry({ openMetrics: true }),
);

const things: Instrument = { name: 'test_things_total', help: 'Things.', type: 'counter', labels: ['kind'] };

describe("the application's own registry", () => {
  it('holds both kinds of metrics, under its default labels', async () => {
    const registry = new Registry();
    registry.setDefaultLabels({ pod: 'a-1' });
    new Counter({ name: 'mine_total', help: 'Mine.', registers: [registry] }).inc();
    const metrics = createMetrics({ registry });
    metrics.meter.counter(things, { kind: 'odd' }).add();
    const exposed = parseExposition(await metrics.expose(), metrics.contentType);
    expect(exposedValue(exposed, 'mine_total', { pod: 'a-1' })).toBe(1);
    expect(exposedValue(exposed, 'test_things_total', { kind: 'odd', pod: 'a-1' })).toBe(1);
    await metrics.close();
    expect(await registry.metrics()).toContain('mine_total');
  });

  it('keeps a metric of its own that has the name of one of ours, and says so once', async () => {
    const registry = new Registry();
    new Counter({ name: things.name, help: 'Mine.', registers: [registry] }).inc(5);
    const errors: Record<string, unknown>[] = [];
    const error: LogMethod = (fields) => void errors.push(fields);
    const metrics = createMetrics({ registry }, { logger: { ...noopLogger, error } });
    metrics.meter.counter(things, { kind: 'odd' }).add();
    await metrics.expose();
    const exposed = parseExposition(await metrics.expose(), metrics.contentType);
    expect(exposedValue(exposed, things.name)).toBe(5);
    expect(errors).toEqual([{ metric: things.name }]);
    await metrics.close();
    expect(registry.getSingleMetric(things.name)).toBeInstanceOf(Counter);
  });

  it('shows our metrics again after it was cleared', async () => {
    const registry = new Registry();
    const metrics = createMetrics({ registry });
    metrics.meter.counter(things, { kind: 'odd' }).add();
    registry.clear();
    expect(await metrics.expose()).toContain('test_things_total{kind="odd"} 1');
  });

  it('can be aggregated over the workers of a cluster', async () => {
    const workers = [new Registry(), new Registry()];
    for (const registry of workers) createMetrics({ registry }).meter.counter(things, { kind: 'odd' }).add(2);
    const sent = await Promise.all(workers.map((registry) => registry.getMetricsAsJSON()));
    const received = JSON.parse(JSON.stringify(sent)) as object[];
    expect(await AggregatorRegistry.aggregate(received).metrics()).toContain(
      'test_things_total{kind="odd"} 4',
    );
  });

  it('can be reset', async () => {
    const registry = new Registry();
    const metrics = createMetrics({ registry });
    const cell = metrics.meter.counter(things, { kind: 'odd' });
    cell.add(7);
    registry.resetMetrics();
    cell.add();
    expect(await metrics.expose()).toContain('test_things_total{kind="odd"} 1');
  });
});

describe('process metrics', () => {
  it('appear on demand, once', async () => {
    const registry = new Registry();
    expect(await createMetrics({ registry }).expose()).not.toContain('process_');
    createMetrics({ registry, defaultMetrics: true });
    const metrics = createMetrics({ registry, defaultMetrics: true });
    const exposed = parseExposition(await metrics.expose(), metrics.contentType);
    expect(exposedValue(exposed, 'process_start_time_seconds')).toBeGreaterThan(1_000_000_000);
    expect(exposed.has('nodejs_eventloop_lag_seconds')).toBe(true);
  });
});

it('OpenMetrics differs from the classic text as the standard says', async () => {
  const metrics = createMetrics({ openMetrics: true });
  metrics.meter.counter(things, { kind: 'odd' }).add();
  expect(metrics.contentType).toMatch(/^application\/openmetrics-text; version=1/);
  for (let scrape = 0; scrape < 2; scrape++) {
    const text = await metrics.expose();
    expect(text).toContain('# TYPE test_things counter\ntest_things_total{kind="odd"} 1\n');
    expect(text).toMatch(/# EOF\n$/);
  }
});
