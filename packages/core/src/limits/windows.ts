import type { OptionsReader } from '../kernel/options.js';
import { parseWindow } from './policy-syntax.js';
import type { LimitWindow } from './ports.js';

/** `'60/min'`, `'5/15m'`, or the same in numbers. Units: `ms`, `s`, `m`, `h`, `d`, or `sec`, `min`, `hour`, `day`. */
export type WindowOption = string | LimitWindow;

/** Windows and their limits go into one number each, in microseconds and with room for sums. */
const longestWindowMs = 24 * 86_400_000;
const shortestWindowMs = 100;
const highestLimit = 1_000_000_000_000;

/** Reads one window, or several. */
export function readWindows(reader: OptionsReader, key: string, fallback?: string): readonly LimitWindow[] {
  const option = reader.any(key, fallback);
  const list: readonly unknown[] = Array.isArray(option) ? option : [option];
  const windows = list.map((item) => (typeof item === 'string' ? parseWindow(item) : item));
  if (windows.length === 0 || !windows.every(isWindow)) {
    reader.fail(
      key,
      'a limit such as "60/min" or { limit: 60, windowMs: 60000 }, or a list of them, each of at least 1 in 100 ms to 24 days',
    );
  }
  if (new Set(windows.map(({ windowMs }) => windowMs)).size < windows.length) {
    reader.fail(key, 'a list of windows of different lengths');
  }
  return windows.map(({ limit, windowMs }) => ({ limit, windowMs }));
}

/** Whether it is one that can be counted. */
export function isWindow(value: unknown): value is LimitWindow {
  if (typeof value !== 'object' || value === null) return false;
  const { limit, windowMs, ...others } = value as Partial<LimitWindow>;
  return (
    Object.keys(others).length === 0 &&
    Number.isSafeInteger(limit) &&
    (limit as number) >= 1 &&
    (limit as number) <= highestLimit &&
    Number.isSafeInteger(windowMs) &&
    (windowMs as number) >= shortestWindowMs &&
    (windowMs as number) <= longestWindowMs
  );
}
