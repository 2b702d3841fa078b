import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { migrationsFolder } from '../assets.js';
import { statementsOf } from './migrate.js';

describe('a migration file', () => {
  it('is split into its statements, comments left out', () => {
    const text =
      "-- why\ncreate table a (\n  -- inner; not the end\n  id int\n);\n\ninsert into a values (';x');\n-- end\n";
    expect(statementsOf(text)).toEqual(['create table a (\n\n  id int\n)', "insert into a values (';x')"]);
  });

  it('may leave the last semicolon out', () => {
    expect(statementsOf('select 1;\nselect 2')).toEqual(['select 1', 'select 2']);
  });

  it('of this app holds one statement per semicolon', () => {
    const text = readFileSync(new URL('001-blog.sql', migrationsFolder), 'utf8');
    const verbs = statementsOf(text).map((statement) => statement.split(/\s+/, 2).join(' '));
    expect(verbs.filter((verb) => verb === 'create table')).toHaveLength(4);
    expect(verbs.filter((verb) => verb === 'create index')).toHaveLength(4);
    expect(verbs).toHaveLength(8);
  });
});
