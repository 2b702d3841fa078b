import type { Instrument } from '../kernel/meter.js';
import { InstrumentError } from './errors.js';

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const labelName = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Throws `InstrumentError` for what Prometheus would refuse or misread. */
export function checkInstrument(instrument: Instrument): void {
  for (const problem of problemsOf(instrument)) throw new InstrumentError(instrument.name, problem);
}

function* problemsOf({ name, help, type, labels = [], buckets = [] }: Instrument): Iterable<string> {
  if (!metricName.test(name)) yield 'must have a name of letters, digits, "_" and ":"';
  if (help === '') yield 'must have a help text';
  if (type === 'counter' && !name.endsWith('_total')) yield 'is a counter: its name must end with "_total"';
  if (type !== 'counter' && name.endsWith('_total'))
    yield `is a ${type}: only a counter's name ends with "_total"`;
  for (const label of labels) {
    if (!labelName.test(label) || label === 'le') yield `must not have a label named "${label}"`;
  }
  if (new Set(labels).size < labels.length) yield 'names a label twice';
  if (type === 'histogram' && !isAscending(buckets))
    yield 'is a histogram: it needs finite, ascending buckets';
}

function isAscending(bounds: readonly number[]): boolean {
  const isAbove = (bound: number, index: number) => index === 0 || bound > (bounds[index - 1] as number);
  return bounds.length > 0 && bounds.every((bound, index) => Number.isFinite(bound) && isAbove(bound, index));
}

/** Whether two descriptions stand for one metric. */
export function isSameInstrument(a: Instrument, b: Instrument): boolean {
  return (
    a.name === b.name &&
    a.type === b.type &&
    isSameList(a.labels ?? [], b.labels ?? []) &&
    isSameList(a.buckets ?? [], b.buckets ?? [])
  );
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
