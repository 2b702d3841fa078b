import { describe, expect, it } from 'vitest';
import { StatementShapes, shapeOf } from './statement-shape.js';

describe('the shape of a statement', () => {
  it.each([
    ['select * from posts where id = $1', 'select * from posts where id = ?'],
    ['SELECT  *\n\tFROM posts -- all\n WHERE /* which */ id = 7', 'select * from posts where id = ?'],
    [`select * from users where email = 'ann@example.com'`, 'select * from users where email = ?'],
    [`select 'it''s', E'a\\'b', $$secret$$, 1.5, -3`, 'select ?, - ?'],
    ['select * from posts where id in (1, 2, 3)', 'select * from posts where id in (?)'],
    ['insert into t (a, b) values ($1, $2), ($3, $4)', 'insert into t(a, b) values (?), (?)'],
    ['select "Title", p.id from "My posts" p', 'select "Title", p.id from "My posts" p'],
    ['select lower(title), count(*) from posts', 'select lower(title), count(*) from posts'],
    ['select a::text from t where b = $1::int', 'select a::text from t where b = ?::int'],
  ])('%s', (text, shape) => {
    expect(shapeOf(text).text).toBe(shape);
  });

  it('is one for texts that differ in their values only, and names its command', () => {
    const one = shapeOf(`update users set token = 'a1b2' where id in (1, 2)`);
    const other = shapeOf(`update users set token = 'c3' where id in (3)`);
    expect(one).toEqual(other);
    expect(one).toMatchObject({ command: 'UPDATE', fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/) });
    expect(shapeOf(`update users set name = 'c3' where id in (3)`).fingerprint).not.toBe(one.fingerprint);
  });

  it('shows nothing of what is not understood, or too long', () => {
    expect(shapeOf(`select 'begun, and the password is hunter2`).text).toBe('select …');
    expect(shapeOf(`select ${'a, '.repeat(2_000)} b`).text.length).toBeLessThan(2_100);
    expect(shapeOf('').text).toBe('');
  });

  it('is remembered for the latest texts', () => {
    const shapes = new StatementShapes();
    const first = shapes.of('select 1');
    expect(shapes.of('select 1')).toBe(first);
    for (let i = 0; i < 2_000; i++) shapes.of(`select ${i} as a${i}`);
    expect(shapes.of('select 1')).not.toBe(first);
    expect(shapes.of('select 1')).toEqual(first);
  });
});
