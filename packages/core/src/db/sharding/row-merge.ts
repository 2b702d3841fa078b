import type { GatheredRow } from './gathered-row.js';

/** Joins lists that are each in order into one that is, up to `count` rows; of equal rows those of earlier lists come first. */
export function mergeOrdered(
  lists: readonly (readonly GatheredRow[])[],
  order: (a: GatheredRow, b: GatheredRow) => number,
  count: number,
): GatheredRow[] {
  const cursors = lists.filter((rows) => rows.length > 0).map((rows) => ({ rows, next: 0 }));
  const merged: GatheredRow[] = [];
  while (cursors.length > 0 && merged.length < count) {
    let least = 0;
    for (let other = 1; other < cursors.length; other++) {
      if (order(headOf(cursors[other] as Head), headOf(cursors[least] as Head)) < 0) least = other;
    }
    const head = cursors[least] as Head;
    merged.push(headOf(head));
    head.next += 1;
    if (head.next === head.rows.length) cursors.splice(least, 1);
  }
  return merged;
}

interface Head {
  readonly rows: readonly GatheredRow[];
  next: number;
}

function headOf({ rows, next }: Head): GatheredRow {
  return rows[next] as GatheredRow;
}
