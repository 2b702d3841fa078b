import type { Token } from '../../kernel/token.js';
import type { Appended, LogEntry, Retention } from '../ports.js';

/** One channel's log. */
export interface Log {
  entries: LogEntry[];
  head: string;
  touchedAt: number;
  /** When the log is forgotten; the head lives longer. */
  expiresAt: number;
  /** In two generations: one is filled while the other ages. */
  places: Map<string, Appended>;
  oldPlaces: Map<string, Appended>;
  placesSince: number;
  seen: Token;
}

/** The first two, and those that fit into so many bytes with all before them. */
export function fitting(entries: LogEntry[], maxBytes = Number.POSITIVE_INFINITY): LogEntry[] {
  let bytes = 0;
  const first = entries.findIndex(({ packed }, index) => {
    bytes += packed.length;
    return index >= 2 && bytes > maxBytes;
  });
  return first < 0 ? entries : entries.slice(0, first);
}

/** Ids grow whatever the clock does. */
export function nextId(last: string, nowMs: number): string {
  const [ms = '0', seq = '0'] = last.split('-');
  return nowMs > Number(ms) ? `${nowMs}-0` : `${ms}-${Number(seq) + 1}`;
}

/** Forgets idempotency keys whose time has passed. */
export function ageKeys(log: Log, now: number, { idempotencyMs }: Retention): void {
  const age = now - log.placesSince;
  if (age < idempotencyMs) return;
  log.oldPlaces = age < 2 * idempotencyMs ? log.places : new Map();
  log.places = new Map();
  log.placesSince = now;
}
