import { readdir, readFile } from 'node:fs/promises';
import type { Database, Transaction } from '@pando/core/db';

/** Instances that start at once take turns; the number only has to differ from those of other programs. */
const startLock = 1_885_433_444;

/** Runs `work` in a transaction while no other instance does the same. */
export function alone<T>(db: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [startLock]);
    return work(tx);
  });
}

/** Applies the SQL files of a folder that the database has not seen, in the order of their names: all of them or none. */
export async function migrate(db: Database, folder: URL): Promise<void> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  await alone(db, async (tx) => {
    await tx.query(
      'create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())',
    );
    const { rows } = await tx.query<{ name: string }>('select name from migrations');
    const applied = new Set(rows.map(({ name }) => name));
    for (const name of files.filter((file) => !applied.has(file))) {
      const text = await readFile(new URL(name, folder), 'utf8');
      for (const statement of statementsOf(text)) await tx.query(statement);
      await tx.query('insert into migrations (name) values ($1)', [name]);
    }
  });
}

/** Splits a file at the semicolons that end a line, and leaves comments out. */
export function statementsOf(text: string): string[] {
  return text
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
