import { describe, expect, it } from 'vitest';
import type { ScatterOptions } from '../api.js';
import { planScatter } from './scatter-plan.js';
import { scatterStatement } from './scatter-statement.js';

const posts = 'select * from posts where author = $1';
const statement = (options: ScatterOptions, after?: readonly string[], sql = posts) =>
  scatterStatement(sql, ['ann'], planScatter(options), after);
const lines = (options: ScatterOptions, after?: readonly string[]) =>
  statement(options, after).text.split('\n');

describe('what a shard is asked', () => {
  it('is no more than can be in the answer, and one row to know whether there are more', () => {
    const { text, params } = statement({ orderBy: [['at', 'desc'], 'id'], limit: 10, offset: 5 });
    expect(text.split('\n').slice(-2)).toEqual([
      'order by pando_rows."at" desc nulls first, pando_rows."id" asc nulls last',
      'limit $2',
    ]);
    expect(params).toEqual(['ann', 16]);
  });

  it('is all where groups are put together', () => {
    const { text, params } = statement({ merge: { n: 'count' }, orderBy: ['n'], limit: 1 });
    expect(text).not.toMatch(/limit|order by/);
    expect(params).toEqual(['ann']);
  });

  it('goes on behind a position, by rows where an index can', () => {
    const options = {
      orderBy: [
        ['at', 'desc'],
        ['id', 'desc'],
      ],
      limit: 10,
    } as const;
    expect(lines(options, ['2026', '7'])).toContain('where (pando_rows."at", pando_rows."id") < ($2, $3)');
    expect(statement(options, ['2026', '7']).params).toEqual(['ann', '2026', '7', 11]);
    expect(lines({ orderBy: [['at', 'desc'], 'id'], limit: 10 }, ['2026', '7'])).toContain(
      'where (pando_rows."at" <= $2 and (pando_rows."at" < $2 or pando_rows."id" > $3))',
    );
    expect(lines({ orderBy: [{ column: 'name', collate: 'C' }] }, ['x'])).toContain(
      'where (pando_rows."name" collate "C") > ($2)',
    );
  });

  it('bears comments, semicolons and names of any kind', () => {
    const { text } = statement({ orderBy: ['a "b"'] }, undefined, 'select 1 as "a ""b""" -- one;\n; ');
    expect(text).toContain('from (\nselect 1 as "a ""b""" -- one\n) as pando_rows');
    expect(text).toContain('pando_rows."a ""b"""');
  });
});
