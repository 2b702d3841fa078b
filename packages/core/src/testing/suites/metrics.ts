import { describe, expect, it } from 'vitest';
import type { Instrument } from '../../kernel/meter.js';
import { createMetrics, type MetricsRegistry } from '../../metrics/index.js';
import { exposedValue, parseExposition } from '../exposition.js';

const requests: Instrument = {
  name: 'test_requests_total',
  help: 'Requests with "quotes", a \\ and\na second line.',
  type: 'counter',
  labels: ['route', 'status'],
};
const level: Instrument = { name: 'test_level', help: 'A level.', type: 'gauge', labels: ['tank'] };
const duration: Instrument = {
  name: 'test_duration_seconds',
  help: 'Durations.',
  type: 'histogram',
  labels: ['route'],
  buckets: [0.1, 0.5, 1],
};

/** What holds for every registry that metrics are exposed through. */
export function metricsRegistrySuite(name: string, createRegistry: () => MetricsRegistry): void {
  describe(name, () => {
    const setup = () => {
      const metrics = createMetrics({ registry: createRegistry() });
      const exposed = async () => parseExposition(await metrics.expose(), metrics.contentType);
      return { metrics, meter: metrics.meter, registry: metrics.registry, exposed };
    };

    it('exposes counters, gauges and histograms', async () => {
      const { meter, exposed } = setup();
      meter.counter(requests, { route: '/a', status: '200' }).add();
      meter.counter(requests, { route: '/a', status: '200' }).add(2);
      meter.counter(requests, { route: '/b', status: '500' }).add();
      meter.gauge(level, { tank: 'left' }).set(-1.5);
      meter.observe(level, () => 7, { tank: 'right' });
      const durations = meter.histogram(duration, { route: '/a' });
      for (const value of [0.05, 0.1, 0.11, 0.75, 3]) durations.record(value);

      const metrics = await exposed();
      expect(exposedValue(metrics, 'test_requests_total', { route: '/a', status: '200' })).toBe(3);
      expect(exposedValue(metrics, 'test_requests_total', { route: '/b', status: '500' })).toBe(1);
      expect(exposedValue(metrics, 'test_level', { tank: 'left' })).toBe(-1.5);
      expect(exposedValue(metrics, 'test_level', { tank: 'right' })).toBe(7);
      const buckets = ['0.1', '0.5', '1', '+Inf'].map((le) =>
        exposedValue(metrics, 'test_duration_seconds_bucket', { route: '/a', le }),
      );
      expect(buckets).toEqual([2, 3, 4, 5]);
      expect(exposedValue(metrics, 'test_duration_seconds_count', { route: '/a' })).toBe(5);
      expect(exposedValue(metrics, 'test_duration_seconds_sum', { route: '/a' })).toBeCloseTo(4.01);
      expect([...metrics.values()].map(({ type }) => type)).toEqual(
        expect.arrayContaining(['counter', 'gauge', 'histogram']),
      );
    });

    it('keeps label values as they are', async () => {
      const { meter, exposed } = setup();
      for (const route of ['a"b', 'a\\b', 'a\nb', 'a,status="500"', '{}', ' é ']) {
        meter.counter(requests, { route, status: 'x' }).add();
      }
      const samples = (await exposed()).get(meterName(requests, await exposed()))?.samples ?? [];
      expect(samples.map(({ labels }) => labels.route)).toEqual([
        'a"b',
        'a\\b',
        'a\nb',
        'a,status="500"',
        '{}',
        ' é ',
      ]);
    });

    it('adds up what two kits record', async () => {
      const { registry, meter, exposed } = setup();
      const other = createMetrics({ registry });
      for (const each of [meter, other.meter]) {
        each.counter(requests, { route: '/', status: '200' }).add(2);
        each.gauge(level, { tank: 'left' }).set(3);
        each.histogram(duration, { route: '/' }).record(0.2);
      }
      const both = await exposed();
      expect(exposedValue(both, 'test_requests_total', { route: '/', status: '200' })).toBe(4);
      expect(exposedValue(both, 'test_level', { tank: 'left' })).toBe(6);
      expect(exposedValue(both, 'test_duration_seconds_bucket', { route: '/', le: '0.5' })).toBe(2);
      expect(exposedValue(both, 'test_duration_seconds_count', { route: '/' })).toBe(2);

      await other.close();
      expect(exposedValue(await exposed(), 'test_level', { tank: 'left' })).toBe(3);
    });

    it('takes its metrics out when it closes, and may come back', async () => {
      const { registry, metrics, meter } = setup();
      meter.counter(requests, { route: '/', status: '200' }).add();
      await metrics.close();
      await metrics.close();
      expect(registry.getSingleMetric(requests.name)).toBeUndefined();
      for (let reload = 0; reload < 100; reload++) {
        const again = createMetrics({ registry });
        again.meter.counter(requests, { route: '/', status: '200' }).add();
        expect(await again.expose()).toContain('test_requests');
        await again.close();
      }
      expect(parseExposition(await registry.metrics(), registry.contentType).size).toBe(0);
    });

    it('refuses another metric of a name', () => {
      const { registry, meter } = setup();
      meter.counter(requests, { route: '/', status: '200' });
      const metric = {
        name: requests.name,
        help: 'x',
        type: 'counter',
        aggregator: 'sum',
        get: () => undefined,
      };
      expect(() => registry.registerMetric(metric)).toThrow('already been registered');
    });
  });
}

/** OpenMetrics names a counter without its suffix. */
function meterName({ name }: Instrument, metrics: ReadonlyMap<string, unknown>): string {
  return metrics.has(name) ? name : name.replace(/_total$/, '');
}
