import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyToken } from '../kernel/token.js';
import type { LogEntry, LogPage } from './ports.js';
import { compareIds, originId, type Position } from './position.js';
import { type Continuation, continueFrom } from './recovery.js';

const packed = Buffer.alloc(0);

/** A log of consecutive entries, of which the oldest `trimmed` are gone. */
function logOf(ids: readonly string[], trimmed: number): { all: LogEntry[]; kept: LogEntry[] } {
  const all = ids.map((id, index) => ({ id, prev: ids[index - 1] ?? originId, packed }));
  return { all, kept: all.slice(trimmed) };
}

function pageOf(
  kept: readonly LogEntry[],
  head: string,
  from: string,
  limit: number,
  lineage = 'a',
): LogPage {
  const found = kept.filter(({ id }) => compareIds(id, from) >= 0);
  return { lineage, head, entries: found.slice(0, limit), more: found.length > limit, seen: emptyToken };
}

const at = (id: string, index?: number, lineage = 'a'): Position => ({ id, index, lineage });
const idsOf = (found: Continuation) =>
  found.kind === 'run' ? found.entries.map(({ id }) => id) : found.reason;

const ascendingIds = fc
  .uniqueArray(fc.nat({ max: 50 }), { minLength: 1, maxLength: 12 })
  .map((list) => list.sort((a, b) => a - b).map((ms) => `${ms + 1}-0`));

describe('continuing from a position', () => {
  it('gives exactly what follows, or says that it is lost; never less, never more', () => {
    fc.assert(
      fc.property(
        ascendingIds,
        fc.nat({ max: 12 }),
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 13 }),
        (ids, trimming, place, limit) => {
          const { all, kept } = logOf(ids, Math.min(trimming, ids.length));
          const head = ids.at(-1) ?? originId;
          const since = place === 0 ? originId : `${place}-0`;
          const found = continueFrom(at(since), pageOf(kept, head, since, limit), 'reset');
          const isReal = since === originId || ids.includes(since);
          const following = all.filter(({ id }) => compareIds(id, since) > 0);
          if (found.kind === 'run') {
            // Contiguous from the very position, which therefore must be real, and complete unless there is more.
            expect(isReal).toBe(true);
            expect(idsOf(found)).toEqual(following.slice(0, found.entries.length).map(({ id }) => id));
            if (!found.more) expect(found.entries).toHaveLength(following.length);
          } else {
            // It may not be called lost while the log has all that follows.
            const isAllThere = following.every((entry) => kept.includes(entry));
            expect(isReal && isAllThere).toBe(false);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('finds its joint by its own entry, by its successor, or at the end of the log', () => {
    const { kept } = logOf(['1-0', '2-0', '3-0'], 1);
    expect(idsOf(continueFrom(at('2-0'), pageOf(kept, '3-0', '2-0', 9), 'reset'))).toEqual(['3-0']);
    expect(idsOf(continueFrom(at('1-0'), pageOf(kept, '3-0', '1-0', 9), 'reset'))).toEqual(['2-0', '3-0']);
    expect(idsOf(continueFrom(at('3-0'), pageOf([], '3-0', '3-0', 9), 'reset'))).toEqual([]);
    expect(idsOf(continueFrom(at(originId), pageOf([], originId, originId, 9), 'reset'))).toEqual([]);
  });

  it('gives the rest of an entry of which only some messages were seen', () => {
    const { kept } = logOf(['1-0', '2-0'], 0);
    expect(continueFrom(at('1-0', 0), pageOf(kept, '2-0', '1-0', 9), 'reset')).toMatchObject({
      kind: 'run',
      partial: { id: '1-0' },
      entries: [{ id: '2-0' }],
    });
    // Its own entry is gone, and with it the rest of the messages.
    expect(idsOf(continueFrom(at('1-0', 0), pageOf(kept.slice(1), '2-0', '1-0', 9), 'reset'))).toBe(
      'trimmed',
    );
    expect(idsOf(continueFrom(at('2-0', 0), pageOf([], '2-0', '2-0', 9), 'reset'))).toBe('trimmed');
  });

  it('tells a history that is too short from one that is gone', () => {
    const { kept } = logOf(['1-0', '2-0', '3-0'], 2);
    expect(idsOf(continueFrom(at('1-0'), pageOf(kept, '3-0', '1-0', 9), 'reset'))).toBe('trimmed');
    expect(idsOf(continueFrom(at('1-0'), pageOf([], '3-0', '1-0', 9), 'reset'))).toBe('trimmed');
    expect(idsOf(continueFrom(at('9-0'), pageOf(kept, '3-0', '9-0', 9), 'reset'))).toBe('history-lost');
    expect(idsOf(continueFrom(at('9-0'), pageOf([], originId, '9-0', 9), 'reset'))).toBe('history-lost');
    // Written after our entry was lost: it follows one that is older than ours.
    const after = [{ id: '12-0', prev: '8-0', packed }];
    expect(idsOf(continueFrom(at('9-0'), pageOf(after, '12-0', '9-0', 9), 'reset'))).toBe('history-lost');
  });

  it('does not trust a position of another life, unless told to look for its entry', () => {
    const { kept } = logOf(['1-0', '2-0'], 0);
    const page = pageOf(kept, '2-0', '1-0', 9, 'b');
    expect(idsOf(continueFrom(at('1-0'), page, 'reset'))).toBe('failover');
    expect(idsOf(continueFrom(at('1-0'), page, 'verify'))).toEqual(['2-0']);
  });

  it('stops where the chain is broken, and calls a broken joint lost', () => {
    const broken = [
      { id: '1-0', prev: originId, packed },
      { id: '2-0', prev: '1-0', packed },
      { id: '4-0', prev: '3-0', packed },
    ];
    expect(continueFrom(at('1-0'), pageOf(broken, '4-0', '1-0', 9), 'reset')).toMatchObject({
      entries: [{ id: '2-0' }],
      more: true,
    });
    expect(idsOf(continueFrom(at('2-0'), pageOf(broken, '4-0', '2-0', 9), 'reset'))).toBe('history-lost');
  });
});
