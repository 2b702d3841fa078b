import { describe, expect, it } from 'vitest';
import { readOptions } from './options.js';

const failure = (read: () => unknown): unknown => {
  try {
    read();
  } catch (error) {
    return error;
  }
  throw new Error('expected a refusal');
};

describe('readOptions', () => {
  it('falls back to the default for what is absent, and keeps what is there', () => {
    const read = readOptions('cache', { ttlMs: 5, mode: 'b' });
    expect(read.ms('ttlMs', 60_000)).toBe(5);
    expect(read.ms('lockMs', 1_000)).toBe(1_000);
    expect(read.oneOf('mode', ['a', 'b'], 'a')).toBe('b');
    expect(read.boolean('on', true)).toBe(true);
    read.done();
  });

  it('says what was meant when a duration is written as text', () => {
    expect(failure(() => readOptions('cache', { ttlMs: '5m' }).ms('ttlMs', 1))).toMatchObject({
      code: 'PANDO_CACHE_OPTIONS',
      message: 'cache.ttlMs must be a positive number of milliseconds, got "5m". Did you mean 300000?',
    });
  });

  it('names the nearest option for an unknown one', () => {
    const read = readOptions('db', { replica: [] });
    read.any('replicas');
    read.any('primary');
    expect(failure(() => read.done())).toMatchObject({
      message: 'unknown option "replica" in db. Did you mean "replicas"?',
    });
  });

  it('finds the misspelling of an option that is missing', () => {
    const read = readOptions('db', { primry: 'postgres://db1/app' });
    expect(failure(() => read.fail('primary', 'a connection URL'))).toMatchObject({
      message: 'unknown option "primry" in db. Did you mean "primary"?',
    });
    const absent = readOptions('http', { host: 'x', port: undefined });
    expect(failure(() => absent.fail('port', 'a port number'))).toMatchObject({
      message: 'http.port must be a port number, got undefined.',
    });
  });

  it('lists the known options when none is near', () => {
    const read = readOptions('', { zzzzzzzz: 1 });
    read.any('redis');
    read.any('db');
    expect(failure(() => read.done())).toMatchObject({
      code: 'PANDO_OPTIONS',
      message: 'unknown option "zzzzzzzz". Known options: db, redis.',
    });
  });

  it.each([
    ['a negative duration', { n: -1 }, 'n must be a positive number of milliseconds, got -1.'],
    ['NaN', { n: Number.NaN }, 'n must be a positive number of milliseconds, got NaN.'],
    [
      'Infinity',
      { n: Number.POSITIVE_INFINITY },
      'n must be a positive number of milliseconds, got Infinity.',
    ],
    ['null', { n: null }, 'n must be a positive number of milliseconds, got null.'],
  ])('refuses %s as a duration', (_, options, message) => {
    expect(failure(() => readOptions('', options).ms('n', 1))).toMatchObject({ message });
  });

  it('refuses fractions of whole numbers, and numbers out of range', () => {
    expect(failure(() => readOptions('', { n: 1.5 }).int('n', 1))).toMatchObject({
      message: 'n must be a whole number of at least 0, got 1.5.',
    });
    expect(failure(() => readOptions('', { n: 9 }).int('n', 1, { max: 5 }))).toMatchObject({
      message: 'n must be a whole number from 0 to 5, got 9.',
    });
    expect(failure(() => readOptions('', { n: 2 }).ratio('n', 1))).toMatchObject({
      message: 'n must be a number from 0 to 1, got 2.',
    });
  });

  it('never shows the credentials of a connection string', () => {
    const error = failure(() =>
      readOptions('', { redis: 'redis://user:secret@host' }).fail('redis', 'a redis url'),
    );
    expect((error as Error).message).toBe('redis must be a redis url, got "redis://…@host".');
  });

  it('names nested options by their whole path', () => {
    const pool = readOptions('db', { pool: { size: 'ten' } }).nested('pool');
    expect(failure(() => pool.int('size', 10))).toMatchObject({
      code: 'PANDO_DB_OPTIONS',
      message: 'db.pool.size must be a whole number of at least 0, got "ten".',
    });
  });

  it('refuses options that are not an object', () => {
    expect(failure(() => readOptions('cache', 'fast'))).toMatchObject({
      message: 'cache must be an object, got "fast".',
    });
    expect(failure(() => readOptions('', []))).toMatchObject({
      message: 'options must be an object, got an array.',
    });
  });

  it('is not fooled by options inherited from a prototype, nor changed by later edits', () => {
    const options = Object.create({ ttlMs: 5 }) as object;
    expect(readOptions('cache', options).ms('ttlMs', 7)).toBe(7);
    const own = { ttlMs: 5 };
    const read = readOptions('cache', own);
    own.ttlMs = -1;
    expect(read.ms('ttlMs', 7)).toBe(5);
  });
});
