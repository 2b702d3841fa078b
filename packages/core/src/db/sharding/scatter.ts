import { deadline, type SignalScope } from '../../kernel/abort.js';
import { isPandoError } from '../../kernel/errors.js';
import type { Kernel } from '../../kernel/kernel.js';
import type { HistogramCell } from '../../kernel/meter.js';
import type { Database, Row, ScatterOptions } from '../api.js';
import { databaseInstruments } from '../metrics.js';
import { mergeGroups } from './aggregates.js';
import type { MissingShard, ScatterResult } from './api.js';
import { ScatterMergeError, ScatterTimeoutError } from './errors.js';
import { type GatheredRow, gatherRow, rowOrder, valueIn } from './gathered-row.js';
import { mergeOrdered } from './row-merge.js';
import { positionOf } from './scatter-cursor.js';
import { planScatter, type ScatterPlan } from './scatter-plan.js';
import { keyColumns, scatterStatement } from './scatter-statement.js';
import type { ResolvedShardingOptions } from './sharding-options.js';

/** Whom a question goes to, and how. */
export interface ScatterParts {
  readonly members: ReadonlyMap<string, { readonly database: Database }>;
  readonly options: Pick<ResolvedShardingOptions, 'scatterConcurrency' | 'scatterTimeoutMs'>;
  readonly kernel: Kernel;
}

type Outcome = 'complete' | 'partial' | 'failed';
type Answer = readonly GatheredRow[] | MissingShard;

/** Asks all shards one question and makes one answer of theirs. */
export class Scatter {
  readonly #parts: ScatterParts;
  readonly #seconds: Readonly<Record<Outcome, HistogramCell>>;

  constructor(parts: ScatterParts) {
    this.#parts = parts;
    const seconds = (outcome: Outcome) =>
      parts.kernel.meter.histogram(databaseInstruments.scatterSeconds, { outcome });
    this.#seconds = { complete: seconds('complete'), partial: seconds('partial'), failed: seconds('failed') };
  }

  async run<R>(sql: string, params: readonly unknown[], options: ScatterOptions): Promise<ScatterResult<R>> {
    const plan = planScatter(options);
    const { clock } = this.#parts.kernel;
    const began = clock.monotonic();
    let outcome: Outcome = 'failed';
    try {
      const answers = await this.#ask(sql, params, plan, options);
      const result = this.#combine<R>(answers, plan);
      outcome = result.missing.length === 0 ? 'complete' : 'partial';
      return result;
    } finally {
      this.#seconds[outcome].record((clock.monotonic() - began) / 1_000);
    }
  }

  /** Every shard's answer, in the order of the configuration. */
  async #ask(
    sql: string,
    params: readonly unknown[],
    plan: ScatterPlan,
    options: ScatterOptions,
  ): Promise<readonly Answer[]> {
    const { members, options: shared } = this.#parts;
    const { level, priority } = options;
    const columns = keyColumns(plan);
    const names = [...members.keys()];
    const answers: Answer[] = [];
    const stop = new AbortController();
    const limit = this.#deadline(plan.timeoutMs ?? shared.scatterTimeoutMs, options.signal);
    const signal = AbortSignal.any([limit.signal, stop.signal]);
    const askOne = async (shard: string): Promise<Answer> => {
      const { text, params: all } = scatterStatement(sql, params, plan, positionOf(shard, plan.position));
      const { database } = members.get(shard) as { readonly database: Database };
      try {
        const { rows } = await database.read<Row>(text, all, { signal, level, priority });
        return rows.map((row) => gatherRow(row, columns));
      } catch (error) {
        const hasLeft = limit.signal.aborted && !(limit.signal.reason instanceof ScatterTimeoutError);
        if (hasLeft || !plan.isPartialAllowed || !isAway(error)) throw error;
        return { shard, error };
      }
    };
    let next = 0;
    const askSome = async (): Promise<void> => {
      for (let index = next++; index < names.length; index = next++)
        answers[index] = await askOne(names[index] as string);
    };
    try {
      await Promise.all(Array.from({ length: Math.min(shared.scatterConcurrency, names.length) }, askSome));
      return answers;
    } catch (error) {
      next = names.length;
      stop.abort(error); // nobody waits for the others any more
      throw error;
    } finally {
      limit[Symbol.dispose]();
    }
  }

  #deadline(timeoutMs: number, given: AbortSignal | undefined): SignalScope {
    const { contexts, clock } = this.#parts.kernel;
    const signal = given ?? (contexts.isOpen() ? contexts.current().signal : undefined);
    return deadline(clock, timeoutMs, () => new ScatterTimeoutError(timeoutMs), signal);
  }

  #combine<R>(answers: readonly Answer[], plan: ScatterPlan): ScatterResult<R> {
    const missing = answers.filter(isMissing);
    const lists = answers.filter((answer) => !isMissing(answer)) as (readonly GatheredRow[])[];
    if (lists.length === 0) throw missing[0]?.error;
    const { offset, limit = Number.POSITIVE_INFINITY } = plan;
    const found = gather(lists, plan);
    const page = found.slice(offset, offset + limit);
    return {
      rows: page.map(({ row }) => row as R),
      rowCount: page.length,
      missing,
      cursor: this.#cursor(page, found.length > offset + limit, missing, plan),
    };
  }

  #cursor(
    page: readonly GatheredRow[],
    hasMore: boolean,
    missing: readonly MissingShard[],
    { order, limit, merge, cursors, position }: ScatterPlan,
  ): string | undefined {
    if (order.length === 0 || limit === undefined || merge !== undefined) return undefined;
    if (!hasMore && missing.length === 0) return undefined;
    const end = page.at(-1);
    const last =
      end === undefined ? (position?.last ?? null) : order.map(({ column }) => keyPart(end, column));
    const missed = missing.map(({ shard }) => [shard, positionOf(shard, position) ?? null] as const);
    return cursors.write({ last, missed: Object.fromEntries(missed) });
  }
}

/** All rows in order, at least as many as a page needs, and one more where there are more. */
function gather(lists: readonly (readonly GatheredRow[])[], plan: ScatterPlan): readonly GatheredRow[] {
  const { order, merge, offset, limit = Number.POSITIVE_INFINITY } = plan;
  if (merge !== undefined) {
    const groups = mergeGroups(lists.flat(), merge);
    return order.length === 0 ? groups : groups.sort(rowOrder(order));
  }
  return order.length === 0 ? lists.flat() : mergeOrdered(lists, rowOrder(order), offset + limit + 1);
}

function keyPart(row: GatheredRow, column: string): string {
  const { text } = valueIn(row, column);
  if (text !== null) return text;
  throw new ScatterMergeError(
    `The column ${column} of db.scatter is null in a row: a cursor cannot go on from there.`,
  );
}

function isMissing(answer: Answer): answer is MissingShard {
  return 'shard' in answer;
}

/** The server's condition, not the statement's: a call later may well succeed. */
function isAway(error: unknown): boolean {
  return isPandoError(error) && error.retryable;
}
