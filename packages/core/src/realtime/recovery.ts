import type { ResetReason } from './message.js';
import type { Announcement, LogEntry, LogPage } from './ports.js';
import { compareIds, type Position } from './position.js';

/** What a page of the log means for somebody who stands at a position. */
export type Continuation =
  | {
      readonly kind: 'run';
      /** The entry the position points into, if messages of it are still to come. */
      readonly partial: LogEntry | undefined;
      /** Contiguous, beginning right after the position. */
      readonly entries: readonly LogEntry[];
      /** Whether to read on from the last of them. */
      readonly more: boolean;
    }
  | { readonly kind: 'lost'; readonly reason: ResetReason };

/** Whether a position of another lineage is lost in any case, or good as long as its entry is still there. */
export type FailoverPolicy = 'reset' | 'verify';

/** The two rules on which "no gap, no duplicate" rests. */
export interface Recovery {
  readonly relate: typeof relate;
  readonly continueFrom: typeof continueFrom;
}

/**
 * What an announcement is to somebody who has applied everything up to `lastId`: the next entry, one that is known,
 * or a sign that something lies in between. Ids of another lineage say nothing.
 */
export function relate(
  { lineage, prev, id }: Announcement,
  at: { readonly lineage: string; readonly lastId: string },
): 'next' | 'known' | 'gap' {
  if (lineage !== at.lineage) return 'gap';
  if (prev === at.lastId) return 'next';
  return compareIds(id, at.lastId) <= 0 ? 'known' : 'gap';
}

/**
 * Joins a page, read from the position's entry on, to the position.
 *
 * The joint is proven, never assumed: either the page holds the position's own entry, or its first entry
 * names it as its predecessor, or the log ends there. Anything else is lost.
 */
export function continueFrom(since: Position, page: LogPage, failover: FailoverPolicy): Continuation {
  if (since.lineage !== page.lineage && failover === 'reset') return { kind: 'lost', reason: 'failover' };
  const [first] = page.entries;
  if (first === undefined) return continueAtEnd(since, page);
  const isThere = first.id === since.id;
  if (!isThere && (first.prev !== since.id || since.index !== undefined)) {
    // An entry older than ours came right before this one: ours was never part of this log.
    return { kind: 'lost', reason: compareIds(first.prev, since.id) < 0 ? 'history-lost' : 'trimmed' };
  }
  const rest = isThere ? page.entries.slice(1) : page.entries;
  const length = contiguousLength(since.id, rest);
  if (length === 0 && rest.length > 0) return { kind: 'lost', reason: 'history-lost' };
  return {
    kind: 'run',
    partial: since.index === undefined ? undefined : first,
    entries: length === rest.length ? rest : rest.slice(0, length),
    more: page.more || length < rest.length,
  };
}

/** Nothing at or after the position: the log ends there, or it has expired, or it is another log. */
function continueAtEnd(since: Position, page: LogPage): Continuation {
  const order = compareIds(page.head, since.id);
  if (order < 0) return { kind: 'lost', reason: 'history-lost' };
  if (order > 0 || since.index !== undefined) return { kind: 'lost', reason: 'trimmed' };
  return { kind: 'run', partial: undefined, entries: [], more: false };
}

/** How many entries follow each other from `id` on. */
function contiguousLength(id: string, entries: readonly LogEntry[]): number {
  let prev = id;
  for (const [index, entry] of entries.entries()) {
    if (entry.prev !== prev) return index;
    prev = entry.id;
  }
  return entries.length;
}

/** The rules as they are. */
export const recovery: Recovery = Object.freeze({ relate, continueFrom });
