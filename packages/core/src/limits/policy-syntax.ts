import type { LimitWindow } from './ports.js';

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
};

const syntax = /^\s*(\d+)\s*\/\s*(\d+)?\s*(ms|[smhd]|(?:sec|second|min|minute|hour|day)s?)\s*$/i;

/** Reads `'60/min'`, `'5/15m'`, `'10/s'`; undefined for what is no such thing. Bounds are for the caller to check. */
export function parseWindow(text: string): LimitWindow | undefined {
  const [, limit, count = '1', spelled = ''] = syntax.exec(text) ?? [];
  const word = spelled.toLowerCase();
  const ms = unitMs[word] ?? unitMs[word.replace(/s$/, '')];
  return limit === undefined || ms === undefined
    ? undefined
    : { limit: Number(limit), windowMs: Number(count) * ms };
}
