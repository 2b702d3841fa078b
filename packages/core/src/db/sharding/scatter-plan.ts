import { PandoOptionsError } from '../../kernel/errors.js';
import type { ScatterOptions } from '../api.js';
import type { ScatterMerge, ScatterOrder, ScatterOrderBy } from './api.js';
import { type Position, ScatterCursors } from './scatter-cursor.js';

/** One column to order by, complete. */
export interface OrderTerm {
  readonly column: string;
  readonly isDescending: boolean;
  readonly nullsFirst: boolean;
  readonly collate: 'C' | undefined;
  readonly compare: ScatterOrder['compare'];
}

/** A question to all shards, checked. */
export interface ScatterPlan {
  readonly order: readonly OrderTerm[];
  readonly limit: number | undefined;
  readonly offset: number;
  /** By column; undefined: rows stay as they are. */
  readonly merge: ReadonlyMap<string, ScatterMerge> | undefined;
  readonly isPartialAllowed: boolean;
  readonly timeoutMs: number | undefined;
  readonly cursors: ScatterCursors;
  readonly position: Position | undefined;
}

/** Checks the options of one call; throws `PandoOptionsError`, or `InvalidPageError`. */
export function planScatter(options: ScatterOptions): ScatterPlan {
  const { limit, offset = 0, merge, cursor, onPartial = 'error', timeoutMs } = options;
  const order = (options.orderBy ?? []).map(orderTerm);
  if (limit !== undefined) assertCount('limit', limit, 1);
  if (timeoutMs !== undefined) assertCount('timeoutMs', timeoutMs, 1);
  assertCount('offset', offset, 0);
  if (onPartial !== 'error' && onPartial !== 'allow') refuse('onPartial must be "error" or "allow"');
  if (cursor !== undefined && order.length === 0) refuse('cursor needs orderBy');
  if (cursor !== undefined && merge !== undefined) refuse('cursor cannot go with merge');
  const cursors = new ScatterCursors(order);
  return {
    order,
    limit,
    offset,
    merge: merge && mergesOf(merge),
    isPartialAllowed: onPartial === 'allow',
    timeoutMs,
    cursors,
    position: cursor === undefined ? undefined : cursors.read(cursor),
  };
}

function orderTerm(given: ScatterOrderBy): OrderTerm {
  const { column, direction, nulls, collate, compare } = orderOf(given);
  if (typeof column !== 'string' || column === '') refuse('orderBy must name columns');
  if (direction !== undefined && direction !== 'asc' && direction !== 'desc')
    refuse('a direction of orderBy must be "asc" or "desc"');
  if (nulls !== undefined && nulls !== 'first' && nulls !== 'last')
    refuse('nulls of orderBy must be "first" or "last"');
  if (collate !== undefined && collate !== 'C') refuse('collate of orderBy must be "C"');
  const isDescending = direction === 'desc';
  const nullsFirst = nulls === undefined ? isDescending : nulls === 'first';
  return { column, isDescending, nullsFirst, collate, compare };
}

function orderOf(given: ScatterOrderBy): ScatterOrder {
  if (typeof given === 'string') return { column: given };
  if (!isTuple(given)) return given;
  const [column, direction] = given;
  return { column, direction };
}

function isTuple(given: ScatterOrderBy): given is readonly [string, ('asc' | 'desc')?] {
  return Array.isArray(given);
}

function mergesOf(merge: Readonly<Record<string, ScatterMerge>>): ReadonlyMap<string, ScatterMerge> {
  const merges = new Map(Object.entries(merge));
  for (const [column, how] of merges) {
    if (typeof how === 'string') {
      if (!['count', 'sum', 'min', 'max'].includes(how))
        refuse(`merge.${column} must be "count", "sum", "min" or "max"`);
      continue;
    }
    for (const part of [how?.avg?.sum, how?.avg?.count]) {
      if (part === undefined || !['sum', 'count'].includes(String(merges.get(part))))
        refuse(`merge.${column}.avg must name a sum and a count that are merged, too`);
    }
  }
  return merges;
}

function assertCount(option: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min)
    refuse(`${option} must be a whole number of at least ${min}, got ${String(value)}`);
}

function refuse(message: string): never {
  throw new PandoOptionsError({ code: 'PANDO_DB_OPTIONS', message: `db.scatter: ${message}.` });
}
