/** One line of an exposition that carries a value. */
export interface ExposedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What an exposition says, metric by metric. */
export interface ExposedMetric {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ExposedSample[];
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: # .*)?$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;
const suffixes: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

/**
 * Reads Prometheus' classic text or OpenMetrics, by metric name, as strictly as a scraper: throws for a line that is
 * malformed, for a series or a metric that appears twice, and for a sample that belongs to no metric.
 */
export function parseExposition(text: string, contentType: string): Map<string, ExposedMetric> {
  const isOpenMetrics = contentType.startsWith('application/openmetrics-text');
  const ending = isOpenMetrics ? '# EOF\n' : text && '\n';
  if (!text.endsWith(ending)) throw new Error(`The text must end with ${JSON.stringify(ending)}.`);
  const metrics = new Map<string, { type: string; help: string; samples: ExposedSample[] }>();
  const seen = new Set<string>();
  let name = '';
  for (const line of text.split('\n')) {
    if (line === '' || line === '# EOF') continue;
    const [, keyword, about, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP' && about !== undefined) {
      if (metrics.has(about)) throw new Error(`${about} appears twice.`);
      name = about;
      metrics.set(name, { type: 'untyped', help: rest ?? '', samples: [] });
      continue;
    }
    const metric = metrics.get(name);
    if (metric === undefined) throw new Error(`No metric was named before: ${line}`);
    if (keyword === 'TYPE') {
      if (about !== name) throw new Error(`A type for ${about} stands under ${name}.`);
      metric.type = rest ?? '';
      continue;
    }
    const sample = parseSample(line);
    const endings = suffixes[metric.type] ?? [isOpenMetrics && metric.type === 'counter' ? '_total' : ''];
    if (!endings.includes(sample.name.slice(name.length)) || !sample.name.startsWith(name)) {
      throw new Error(`${sample.name} stands under the ${metric.type} ${name}.`);
    }
    const series = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (seen.has(series)) throw new Error(`The series ${series} appears twice.`);
    seen.add(series);
    metric.samples.push(sample);
  }
  return metrics;
}

/** The value of one series; undefined when it is not exposed. */
export function exposedValue(
  metrics: ReadonlyMap<string, ExposedMetric>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = JSON.stringify(Object.entries(labels).sort());
  for (const { samples } of metrics.values()) {
    for (const sample of samples) {
      if (sample.name === name && JSON.stringify(Object.entries(sample.labels).sort()) === wanted)
        return sample.value;
    }
  }
  return undefined;
}

function parseSample(line: string): ExposedSample {
  const [, name, pairs, value] = sampleLine.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`Malformed: ${line}`);
  return {
    name,
    labels: pairs === undefined ? {} : parseLabels(pairs, line),
    value: parseValue(value, line),
  };
}

function parseLabels(pairs: string, line: string): Record<string, string> {
  const labels = new Map<string, string>();
  labelPair.lastIndex = 0;
  for (let at = 0; at < pairs.length; at = labelPair.lastIndex) {
    const [, name, value] = labelPair.exec(pairs) ?? [];
    if (name === undefined || value === undefined) throw new Error(`Malformed labels: ${line}`);
    if (labels.has(name)) throw new Error(`The label ${name} appears twice: ${line}`);
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped)),
    );
  }
  return Object.fromEntries(labels);
}

function parseValue(text: string, line: string): number {
  if (text === '+Inf' || text === '-Inf')
    return text === '+Inf' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  if (/^nan$/i.test(text)) return Number.NaN; // a scraper does not mind the case
  const value = Number(text);
  if (text === '' || Number.isNaN(value)) throw new Error(`No number: ${line}`);
  return value;
}
