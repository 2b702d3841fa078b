import { describe, expect, it } from 'vitest';
import { startMemoryDatabase as setup } from '../testing/memory-cluster.js';
import { SqlTemplates } from './sql-templates.js';

describe('a query', () => {
  it('that writes goes to the primary and moves the token, one that reads follows it to a replica', async () => {
    const { db, open, within, world, first, second } = await setup();
    const context = open();
    await within(context, async () => {
      await db.query('set', ['a', 1]);
      expect(context.written.db).toMatchObject([{ lsn: world.lsn }]);
      first.pauseReplay();
      await db.query('set', ['a', 2]);
      world.primary.stop();
      expect(await db.query('get', ['a'])).toMatchObject({ rows: [{ value: 2 }] });
      second.stop();
    });
  });

  it('that a replica refuses runs on the primary, and goes there at once from then on', async () => {
    const { db, open, within, first, second } = await setup();
    const text = ['fail', ['25006', 'replica']] as const;
    await db.query(...text);
    first.stop();
    second.stop();
    const context = open();
    await within(context, () => db.query(...text));
    expect(context.written.db).toHaveLength(1); // on the primary as a read it would have moved nothing
    await expect(db.query('fail', ['23505'])).rejects.toMatchObject({ code: '23505' });
  });

  it('takes the options of a read', async () => {
    const { db, first, second } = await setup();
    await db.query('set', ['a', 1]);
    for (const replica of [first, second]) replica.pauseReplay();
    await db.query('set', ['a', 2]);
    expect(await db.query('get', ['a'], { level: 'eventual' })).toMatchObject({ rows: [{ value: 1 }] });
    expect(await db.query('get', ['a'], { level: 'strong' })).toMatchObject({ rows: [{ value: 2 }] });
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(db.query('get', ['a'], { signal })).rejects.toThrow('too late');
    await expect(db.query('set', ['a', 3], { signal })).rejects.toThrow('too late');
  });
});

describe('the template tag', () => {
  const texts = new SqlTemplates();
  const textOf = (strings: TemplateStringsArray, ..._: unknown[]) => texts.textOf(strings);

  it('makes parameters of values', () => {
    expect(textOf`select * from posts where id = ${1} and title = ${"'; drop table posts"}`).toBe(
      'select * from posts where id = $1 and title = $2',
    );
    expect(textOf`select 1`).toBe('select 1');
    expect(textOf`${1}`).toBe('$1');
  });

  it('refuses a text, whose values could not be told from it', async () => {
    const { db } = await setup();
    const text = 'select 1' as unknown as TemplateStringsArray;
    await expect(db.sql(text)).rejects.toThrow('db.sql is a template tag');
  });
});
