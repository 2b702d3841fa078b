import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instrument } from '../kernel/meter.js';
import { createMemoryRegistry, createMetrics, type MetricsOptions } from './index.js';

const requests: Instrument = {
  name: 'requests_total',
  help: 'Requests.',
  type: 'counter',
  labels: ['a', 'b'],
};
const level: Instrument = { name: 'level', help: 'Level.', type: 'gauge', labels: ['a'] };
const seconds: Instrument = { name: 'seconds', help: 'Seconds.', type: 'histogram', buckets: [1, 2, 4] };

function setup(options: MetricsOptions = {}) {
  const registry = createMemoryRegistry();
  const metrics = createMetrics({ registry, ...options });
  return { registry, metrics, meter: metrics.meter, value: registry.value.bind(registry) };
}

describe('a meter', () => {
  it('gives the same cell for the same labels, in whatever order they are named', () => {
    const { meter } = setup();
    expect(meter.counter(requests, { a: '1', b: '2' })).toBe(meter.counter(requests, { b: '2', a: '1' }));
    expect(meter.gauge(level, { a: '1' })).not.toBe(meter.gauge(level, { a: '2' }));
  });

  it('keeps label sets apart, whatever characters they contain', async () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', ',', ':', '"', '\\', '\n', '\0', '{', '_other'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(text, text), { selector: (pair) => JSON.stringify(pair), maxLength: 20 }),
        async (pairs) => {
          const { meter, value } = setup();
          for (const [index, [a, b]] of pairs.entries()) meter.counter(requests, { a, b }).add(index + 1);
          for (const [index, [a, b]] of pairs.entries()) {
            expect(await value('requests_total', { a, b })).toBe(index + 1);
          }
        },
      ),
    );
  });

  it('puts every value into the first bucket that holds it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.oneof(fc.integer({ min: 0, max: 60 }), fc.double({ min: 0, max: 60, noNaN: true }))),
        async (bounds, values) => {
          const buckets = bounds.toSorted((a, b) => a - b);
          const { meter, value } = setup();
          const cell = meter.histogram({ ...seconds, buckets });
          for (const each of values) cell.record(each);
          for (const le of buckets) {
            expect(await value('seconds_bucket', { le })).toBe(values.filter((each) => each <= le).length);
          }
          expect(await value('seconds_count')).toBe(values.length);
        },
      ),
    );
  });

  it('drops values that are none, counts them, and never throws', async () => {
    const { meter, value } = setup();
    const counter = meter.counter(requests, { a: '1', b: '2' });
    for (const amount of [Number.NaN, -1, Number.POSITIVE_INFINITY, 'x' as never]) counter.add(amount);
    const gauge = meter.gauge(level, { a: '1' });
    for (const amount of [Number.NaN, Number.NEGATIVE_INFINITY]) gauge.set(amount);
    const histogram = meter.histogram(seconds);
    for (const amount of [Number.NaN, -1, Number.POSITIVE_INFINITY]) histogram.record(amount);
    counter.add(2);
    expect(await value('requests_total', { a: '1', b: '2' })).toBe(2);
    expect(await value('level', { a: '1' })).toBeUndefined();
    expect(await value('seconds_count')).toBe(0);
    expect(await value('pando_metrics_invalid_total', { metric: 'requests_total' })).toBe(4);
    expect(await value('pando_metrics_invalid_total', { metric: 'level' })).toBe(2);
    expect(await value('pando_metrics_invalid_total', { metric: 'seconds' })).toBe(3);
  });

  it('sends label sets past the limit to one series, so that sums stay right and the count bounded', async () => {
    const { meter, value } = setup({ maxSeries: 10 });
    for (let user = 0; user < 5_000; user++) meter.counter(requests, { a: `u${user}`, b: 'x' }).add();
    expect(await value('requests_total', { a: 'u9', b: 'x' })).toBe(1);
    expect(await value('requests_total', { a: 'u10', b: 'x' })).toBeUndefined();
    expect(await value('requests_total', { a: '_other', b: '_other' })).toBe(4_990);
    expect(await value('pando_metrics_series_dropped_total', { metric: 'requests_total' })).toBe(4_990);
    meter.counter(requests, { a: 'u3', b: 'x' }).add();
    expect(await value('requests_total', { a: 'u3', b: 'x' })).toBe(2);
    expect(await value('pando_metrics_series')).toBeLessThan(20);
  });

  it('has one overflow series, also when the application has labels that look like it', async () => {
    const { meter, value, metrics } = setup({ maxSeries: 1 });
    meter.counter(requests, { a: '_other', b: '_other' }).add();
    meter.counter(requests, { a: 'x', b: 'y' }).add();
    expect(await value('requests_total', { a: '_other', b: '_other' })).toBe(2);
    expect((await metrics.expose()).match(/^requests_total/gm)).toHaveLength(1);
  });

  it('reads observed gauges when somebody looks, adds them up, and forgets them when disposed', async () => {
    const { meter, value } = setup();
    let now = 1;
    const first = meter.observe(level, () => now, { a: 'x' });
    const second = meter.observe(level, () => 10, { a: 'x' });
    now = 2;
    expect(await value('level', { a: 'x' })).toBe(12);
    first[Symbol.dispose]();
    expect(await value('level', { a: 'x' })).toBe(10);
    second[Symbol.dispose]();
    second[Symbol.dispose]();
    expect(await value('level', { a: 'x' })).toBeUndefined();
    meter.observe(level, () => 3, { a: 'x' });
    expect(await value('level', { a: 'x' })).toBe(3);
  });

  it('leaves out a gauge whose reader throws, and shows the rest', async () => {
    const { meter, value } = setup();
    meter.observe(
      level,
      () => {
        throw new Error('no');
      },
      { a: 'bad' },
    );
    meter.observe(level, () => 1, { a: 'good' });
    expect(await value('level', { a: 'bad' })).toBeUndefined();
    expect(await value('level', { a: 'good' })).toBe(1);
  });

  it.each<[Partial<Instrument>, string]>([
    [{ name: '1st' }, 'must have a name of letters'],
    [{ help: '' }, 'must have a help text'],
    [{ name: 'requests' }, 'its name must end with "_total"'],
    [{ labels: ['le'] }, 'must not have a label named "le"'],
    [{ labels: ['__name'] }, 'must not have a label named "__name"'],
    [{ labels: ['a', 'a'] }, 'names a label twice'],
    [{ type: 'gauge' }, 'is a gauge, not a counter'],
  ])('refuses to bind a counter described with %j', (change, message) => {
    expect(() => setup().meter.counter({ ...requests, ...change })).toThrow(message);
  });

  it.each<[readonly number[] | undefined]>([
    [undefined],
    [[]],
    [[1, 1]],
    [[2, 1]],
    [[1, Number.POSITIVE_INFINITY]],
  ])('refuses to bind a histogram with buckets %j', (buckets) => {
    const { buckets: _, ...rest } = seconds;
    const instrument = buckets === undefined ? rest : { ...rest, buckets };
    expect(() => setup().meter.histogram(instrument)).toThrow('needs finite, ascending buckets');
  });

  it('refuses two descriptions of one name', () => {
    const { meter } = setup();
    meter.counter(requests);
    expect(() => meter.counter({ ...requests, help: 'Other words.' })).not.toThrow();
    expect(() => meter.counter({ ...requests, labels: ['a'] })).toThrow('was described differently before');
  });
});

describe('exposing', () => {
  it('is done once for callers that come together', async () => {
    let collections = 0;
    const { metrics, meter } = setup();
    meter.observe(level, () => ++collections);
    const [first, second] = await Promise.all([metrics.expose(), metrics.expose()]);
    expect(first).toBe(second);
    expect(collections).toBe(1);
    await metrics.expose();
    expect(collections).toBe(2);
  });

  it('ends for a caller that aborts', async () => {
    const { metrics } = setup();
    await expect(metrics.expose({ signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
  });
});

describe('options', () => {
  it.each<[unknown, string]>([
    [{ registry: {} }, 'metrics.registry must be a prom-client Registry, got an object.'],
    [{ registry: createMemoryRegistry(), openMetrics: true }, 'metrics.openMetrics must be left out when'],
    [{ maxSeries: 0 }, 'metrics.maxSeries must be a positive whole number, got 0.'],
    [{ registery: 1 }, 'unknown option "registery" in metrics. Did you mean "registry"?'],
  ])('%j is refused', (options, message) => {
    expect(() => createMetrics(options as MetricsOptions)).toThrow(message);
  });
});
