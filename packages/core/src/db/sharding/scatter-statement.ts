import type { Key } from './scatter-cursor.js';
import type { OrderTerm, ScatterPlan } from './scatter-plan.js';

/** The column that each row carries beside its own. */
export const keyColumn = 'pando_key';

const source = 'pando_rows';

/** What a shard is asked: the statement as a source of rows, of which it sends the ones that can be in the answer. */
export function scatterStatement(
  sql: string,
  params: readonly unknown[],
  plan: ScatterPlan,
  after: Key | undefined,
): { readonly text: string; readonly params: readonly unknown[] } {
  const all = [...params];
  const bind = (value: unknown): string => `$${all.push(value)}`;
  const lines = [
    `select ${source}.*, ${keyOf(plan)}::text as ${keyColumn}`,
    // On lines of its own: it may end in a comment.
    `from (\n${sql.replace(/[\s;]+$/, '')}\n) as ${source}`,
  ];
  if (after !== undefined) lines.push(`where ${behind(plan.order, after, bind)}`);
  // Groups are put together first: each shard may have a part of each.
  if (plan.merge === undefined) {
    if (plan.order.length > 0) lines.push(`order by ${plan.order.map(orderOf).join(', ')}`);
    // One more, to know whether there are more.
    if (plan.limit !== undefined) lines.push(`limit ${bind(plan.offset + plan.limit + 1)}`);
  }
  return { text: lines.join('\n'), params: all };
}

/** The columns whose values are compared or merged here, in the order in which they come in the key. */
export function keyColumns({ order, merge }: ScatterPlan): readonly string[] {
  const merged = [...(merge ?? [])].filter(([, how]) => typeof how === 'string').map(([column]) => column);
  const isComputed = (column: string) => typeof merge?.get(column) === 'object';
  const ordered = order.map(({ column }) => column).filter((column) => !isComputed(column));
  return [...new Set([...merged, ...ordered])];
}

/** Types and exact texts: the client's own parsers may round, and do not say what they have parsed. */
function keyOf(plan: ScatterPlan): string {
  const parts = keyColumns(plan).flatMap((column) => [
    `pg_typeof(${nameOf(column)})::oid::bigint`,
    `${nameOf(column)}::text`,
  ]);
  const { merge } = plan;
  if (merge !== undefined) {
    const names = [...merge.keys()].map((column) => `'${column.replaceAll("'", "''")}'`);
    parts.push(`(to_jsonb(${source}) - array[${names.join(', ')}]::text[])::text`);
  }
  return `json_build_array(${parts.join(', ')})`;
}

/** Rows behind a position. With one direction, it is a comparison of rows, which an index serves as it is. */
function behind(order: readonly OrderTerm[], after: Key, bind: (value: unknown) => string): string {
  const values = after.map((value) => bind(value));
  const [first, ...rest] = order as [OrderTerm, ...OrderTerm[]];
  if (rest.every(({ isDescending }) => isDescending === first.isDescending)) {
    const names = order.map(comparedOf).join(', ');
    return `(${names}) ${first.isDescending ? '<' : '>'} (${values.join(', ')})`;
  }
  return behindEach(order, values);
}

function behindEach([term, ...rest]: readonly OrderTerm[], [value, ...values]: readonly string[]): string {
  if (term === undefined) return 'false';
  const name = comparedOf(term);
  const beyond = `${name} ${term.isDescending ? '<' : '>'} ${value}`;
  if (rest.length === 0) return beyond;
  return `(${name} ${term.isDescending ? '<=' : '>='} ${value} and (${beyond} or ${behindEach(rest, values)}))`;
}

function orderOf(term: OrderTerm): string {
  const { isDescending, nullsFirst } = term;
  return `${comparedOf(term)} ${isDescending ? 'desc' : 'asc'} nulls ${nullsFirst ? 'first' : 'last'}`;
}

function comparedOf({ column, collate }: OrderTerm): string {
  return collate === undefined ? nameOf(column) : `${nameOf(column)} collate "C"`;
}

function nameOf(column: string): string {
  return `${source}."${column.replaceAll('"', '""')}"`;
}
