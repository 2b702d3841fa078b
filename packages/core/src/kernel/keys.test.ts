import { describe, expect, it } from 'vitest';
import { jsonCodec } from './codec.js';
import { createKeys } from './keys.js';

describe('createKeys', () => {
  it('keeps what must be atomic in one hash slot and spreads the rest', () => {
    const keys = createKeys('shop');
    expect(keys.atomic('cache', 'clock')).toBe('pando:{shop}:cache:clock');
    expect(keys.spread('cache', 'v', 'post:1')).toBe('pando:shop:cache:v:post:1');
  });

  it('names a database other than the first, whose channels would be heard there, too', () => {
    const keys = createKeys('shop', 5);
    expect(keys.atomic('realtime', 'log')).toBe('pando:{shop}:@5:realtime:log');
    expect(keys.spread('cache', 'v')).toBe('pando:shop:@5:cache:v');
  });

  it.each(['', 'a b', 'a{b}', 'ä', 'x'.repeat(65)])(
    'refuses the name %j, which could not be a header or cookie name',
    (name) => {
      expect(() => createKeys(name)).toThrow('name must be 1 to 64 letters');
    },
  );
});

describe('jsonCodec', () => {
  it('gives back values and undefined', () => {
    for (const value of [0, '', false, null, { a: [1, 'ü'] }, undefined]) {
      expect(jsonCodec.decode(jsonCodec.encode(value))).toEqual(value);
    }
  });

  it('throws on bytes that are not JSON', () => {
    expect(() => jsonCodec.decode(Buffer.from('{'))).toThrow();
  });
});
