import { cacheInstruments } from '../../../packages/core/src/cache/metrics.js';
import { databaseInstruments } from '../../../packages/core/src/db/metrics.js';
import { healthInstruments } from '../../../packages/core/src/health/metrics.js';
import { httpInstruments } from '../../../packages/core/src/http/metrics.js';
import { jobsInstruments } from '../../../packages/core/src/jobs/metrics.js';
import type { Instrument } from '../../../packages/core/src/kernel/meter.js';
import { lifecycleInstruments } from '../../../packages/core/src/lifecycle/metrics.js';
import { limitsInstruments } from '../../../packages/core/src/limits/metrics.js';
import { metricsInstruments } from '../../../packages/core/src/metrics/instruments.js';
import { overloadInstruments } from '../../../packages/core/src/overload/metrics.js';
import { realtimeInstruments } from '../../../packages/core/src/realtime/metrics.js';
import { redisInstruments } from '../../../packages/core/src/redis/metrics.js';
import { page, table } from './markdown.js';

/** All instruments, by what records them. */
export const instruments: Readonly<Record<string, readonly Instrument[]>> = {
  HTTP: Object.values(httpInstruments),
  Cache: Object.values(cacheInstruments),
  Database: Object.values(databaseInstruments),
  Realtime: Object.values(realtimeInstruments),
  Limits: Object.values(limitsInstruments),
  Jobs: Object.values(jobsInstruments),
  Overload: Object.values(overloadInstruments),
  Health: Object.values(healthInstruments),
  Lifecycle: Object.values(lifecycleInstruments),
  Redis: Object.values(redisInstruments),
  Metrics: Object.values(metricsInstruments),
};

/** The page of all metrics. */
export function metricsPage(): string {
  return page(
    '# Metrics',
    'What Prometheus sees at `/metrics`. Durations are in seconds. A histogram `x` is exposed as `x_bucket`, `x_sum` and ' +
      '`x_count`. The values of every label are a closed set, or come from the configuration or the routes of your ' +
      'application: never a key, a user, a channel or an address. Where one metric would get more than ' +
      '`metrics.maxSeries` series all the same, the rest share one labelled `_other`.',
    'Your own metrics appear beside these when you pass your registry: `createPando({ metrics: { registry } })`.',
    ...Object.entries(instruments).flatMap(([room, list]) => [
      `## ${room}`,
      table(
        ['Metric', 'Type', 'Labels', 'What it says'],
        list.map((instrument) => [
          `\`${instrument.name}\``,
          instrument.type,
          labelsOf(instrument),
          `${instrument.help}${bucketsOf(instrument)}`,
        ]),
      ),
    ]),
  );
}

function labelsOf({ labels = [], values = {} }: Instrument): string {
  return labels
    .map((label) => {
      const named = values[label];
      const list =
        typeof named === 'string' ? named : (named ?? []).map((value) => `\`${value}\``).join(', ');
      return `\`${label}\`: ${list}`;
    })
    .join('<br>');
}

function bucketsOf({ buckets = [] }: Instrument): string {
  return buckets.length === 0 ? '' : ` Buckets up to ${buckets.at(-1)} s.`;
}
