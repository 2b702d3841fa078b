import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SqlClassifier } from './classifier.js';

const kindOf = (text: string, functions?: readonly string[]) => new SqlClassifier(functions).kindOf(text);

describe('the kind of a statement', () => {
  it.each([
    'select 1',
    '  SELECT * FROM posts WHERE id = $1;  ',
    '-- which\nselect 1 -- for update',
    '/* outer /* insert */ into */ select 1',
    '\n(select 1) union all (select 2)',
    'values (1), (2)',
    'table posts',
    'show server_version',
    'explain (format json) select * from posts',
    'with recent as (select * from posts) select * from recent',
    'with recursive t as materialized (select 1) table t',
    `select 'insert into posts; drop table posts'`,
    `select 'it''s for update'`,
    String.raw`select E'it\'s; delete from posts'`,
    String.raw`select E'\\', U&'\0061', N'a', B'01', X'1F'`,
    'select $$; delete from posts$$, $a$ $$ insert $b$ $a$, $1',
    'select "update", "in""to", "nextval" from posts',
    `select substring(title from 1 for 2), overlay(a placing b from 1 for 2) from posts`,
    'select nextval from sequences',
    'select count(*), max(id), now(), lower(title) from posts',
    'select updated, deleted_at, insert_count, forupdate from posts',
    'select pg_is_in_recovery(), pg_last_wal_replay_lsn()',
    'select a$b from posts',
    'select 1 from größe',
  ])('is a read: %s', (text) => {
    expect(kindOf(text)).toBe('read');
  });

  it.each([
    'insert into posts values (1)',
    'update posts set title = $1; ',
    'delete from posts',
    'merge into posts using a on true when matched then do nothing',
    'truncate posts',
    'create table a (b int)',
    'create or replace view a as select 1',
    'vacuum',
    'notify a',
    'call f()',
    'do $$ begin perform 1; end $$',
    'select * from posts for update',
    'select * from posts FOR /* */ NO KEY UPDATE',
    'select * from posts for share',
    'select * from posts for key share of posts',
    'select * into copy from posts',
    'with gone as (delete from posts returning *) select * from gone',
    'with a as (select 1) insert into posts select * from a',
    'with a as (select 1) update posts set title = null',
    'explain analyze select 1',
    'explain (analyze, buffers) select 1',
    'explain insert into posts values (1)',
    `select nextval('numbers')`,
    `select pg_catalog.nextval ('numbers')`,
    `select "nextval"('numbers')`,
    `select NEXTVAL/* */('numbers')`,
    `select currval('numbers'), lastval()`,
    `select set_config('app.user', $1, true)`,
    `select pg_notify('a', 'b')`,
    'select pg_advisory_xact_lock(1)',
    'select pg_terminate_backend(1)',
    'select pg_current_wal_lsn()',
    'select lo_create(0)',
    `select * from dblink('a', 'b') as t(a int)`,
    'select 1; select 2',
    'select 1; insert into posts values (1)',
    'savepoint a',
    'release savepoint a',
    'rollback to a',
    'rollback transaction to savepoint a',
    'commit prepared $a$b$a$',
    'set local statement_timeout = 1',
    'set transaction read only',
    'set constraints all deferred',
    '',
    ' ; ',
    '-- nothing',
    `select 'unfinished`,
    'select /* unfinished',
    'select "unfinished',
    'select $a$ unfinished',
    'anything else',
    '[1]',
  ])('is a write: %s', (text) => {
    expect(kindOf(text)).toBe('write');
  });

  it.each([
    ['begin', 'begin'],
    ['BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;', 'begin'],
    ['start transaction read only', 'begin'],
    ['commit', 'commit'],
    ['commit work;', 'commit'],
    ['end transaction', 'commit'],
    ['commit and no chain', 'commit'],
    ['rollback', 'rollback'],
    ['abort', 'rollback'],
    ['/* a */ rollback -- b', 'rollback'],
    ['commit and chain', 'session'],
    ['rollback and chain', 'session'],
    ['begin; insert into posts values (1); commit', 'session'],
    ['set search_path to a', 'session'],
    ['set session characteristics as transaction read only', 'session'],
    ['reset all', 'session'],
    ['listen a', 'session'],
    ['prepare a as select 1', 'session'],
    ['prepare transaction $$a$$', 'session'],
    ['execute a', 'session'],
    ['deallocate a', 'session'],
    ['declare a cursor with hold for select 1', 'session'],
    ['fetch all from a', 'session'],
    ['copy posts from stdin', 'session'],
    ['discard all', 'session'],
    ['create temp table a (b int)', 'session'],
    ['create local temporary table a (b int)', 'session'],
    ['create or replace temp view a as select 1', 'session'],
    ['select 1 as b into temp a', 'session'],
    ['select pg_advisory_lock(1)', 'session'],
    ['select pg_try_advisory_lock_shared(1, 2)', 'session'],
    [`select set_config('app.user', $1, false)`, 'session'],
    [`((select 1)) union (select set_config('app.user', $1, $2))`, 'session'],
    ['select 1; set search_path to a', 'session'],
  ] as const)('%s: %s', (text, kind) => {
    expect(kindOf(text)).toBe(kind);
  });

  it('is doubtful where settings of the server decide where a string ends', () => {
    // With standard_conforming_strings = off the string goes on, and this is a call of setval.
    expect(kindOf(String.raw`select '\', setval('a', 1) --'`)).toBe('write');
    expect(kindOf(String.raw`select '\' || lower(a) || ' '`)).toBe('write');
    expect(kindOf(String.raw`select 'C:\temp'`)).toBe('read');
  });
});

describe('functions of the app', () => {
  it('make a statement a write, by name or by a part of it', () => {
    const functions = ['charge', 'audit_*', 'pay$'];
    expect(kindOf('select billing.charge($1)', functions)).toBe('write');
    expect(kindOf('select audit_login()', functions)).toBe('write');
    expect(kindOf('select pay$()', functions)).toBe('write');
    expect(kindOf('select recharge(), audit, charge from a', functions)).toBe('read');
  });
});

describe('what was refused by a replica', () => {
  it('is a write from then on', () => {
    const classifier = new SqlClassifier();
    expect(classifier.kindOf('select f()')).toBe('read');
    classifier.learn('select f()');
    expect(classifier.kindOf('select f()')).toBe('write');
    for (let other = 0; other < 1_900; other++) classifier.kindOf(`select ${other}`);
    expect(classifier.kindOf('select f()')).toBe('write');
  });

  it('is forgotten only after thousands of other statements, which are not kept for ever', () => {
    const classifier = new SqlClassifier();
    classifier.learn('select f()');
    for (let other = 0; other < 10_000; other++) classifier.kindOf(`select ${other}`);
    expect(classifier.kindOf('select f()')).toBe('read');
  });

  it('stays what else it is', () => {
    const classifier = new SqlClassifier();
    classifier.learn('begin');
    expect(classifier.kindOf('begin')).toBe('begin');
  });
});

/** What Postgres skips, or takes for a value or a name, whatever is written inside. */
const dangerous = fc.constantFrom(
  'insert',
  'for update',
  ';',
  'into',
  'nextval(1)',
  '--',
  '/*',
  '*/',
  "''",
  '$',
);
const words = fc.array(dangerous, { maxLength: 6 }).map((parts) => parts.join(' '));
const comment: fc.Arbitrary<string> = fc.letrec<{ comment: string }>((tie) => ({
  comment: fc
    .tuple(
      fc.constantFrom('a', 'insert', ';', "'", '"', '$$', '--'),
      fc.option(tie('comment'), { maxDepth: 4 }),
    )
    .map(([text, inner]) => `/* ${text} ${inner ?? ''} */`),
})).comment;
const space = fc.oneof(
  fc.constantFrom(' ', '\n', '\t', '\r\n'),
  comment,
  words.map((text) => `--${text.replaceAll('\n', ' ')}\n`),
);
const value = fc.oneof(
  words.map((text) => `'${text}'`), // quotes in it are doubled already
  words.map((text) => `E'${text.replaceAll("''", "\\'")}\\\\'`),
  words.map((text) => `$tag$${text}$tag$`),
  words.map((text) => `"${text.replaceAll("''", '""')}"`),
  fc.constantFrom('1', '$1', 'title', 'lower(title)'),
);

describe('any text', () => {
  const select = fc
    .tuple(space, fc.array(fc.tuple(value, space), { minLength: 1, maxLength: 5 }), space)
    .map(([before, columns, after]) => {
      const list = columns.map(([column, gap]) => `${gap}${column}`).join(',');
      return { text: `${before}select${after}${list}${after}from posts${before}`, before, after };
    });

  it('is a read whatever stands in its comments, strings and quoted names', () => {
    fc.assert(
      fc.property(select, ({ text }) => {
        expect(kindOf(text)).toBe('read');
      }),
      { numRuns: 500 },
    );
  });

  it('is none as soon as one of those words stands outside of them', () => {
    const writing = fc.constantFrom(
      'for update',
      '; delete from posts',
      ', nextval(1)',
      'into copy',
      '; begin',
    );
    fc.assert(
      fc.property(select, writing, space, ({ text }, end, gap) => {
        expect(kindOf(`${text} ${gap} ${end} ${gap}`)).not.toBe('read');
      }),
      { numRuns: 500 },
    );
  });

  it('has a kind, found in one pass', () => {
    const letters = [...'select\'"$;-/*\\() \nEinsert1_é'];
    const anything = fc.string({ unit: fc.constantFrom(...letters), maxLength: 200 });
    fc.assert(
      fc.property(anything, (text) => {
        expect(kindOf(text)).toBeTypeOf('string');
      }),
    );
    const began = performance.now();
    kindOf(`select ${"/* '".repeat(100_000)}`);
    kindOf(`select ${'$a$ $b$ '.repeat(100_000)}`);
    kindOf('begin;'.repeat(100_000));
    kindOf(`select ${'('.repeat(300_000)}`);
    expect(performance.now() - began).toBeLessThan(4_000);
  });
});
