import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SharedBytes } from './shared-bytes.js';

it.each([
  [1, '1'],
  [15, 'f'],
  [16, '10'],
  [65_535, 'ffff'],
  [65_536, '10000'],
])('%i bytes make one chunk, their number in hexadecimal in front', (length, size) => {
  const plain = Buffer.alloc(length, 'x');
  expect(new SharedBytes(plain).chunk).toEqual(Buffer.from(`${size}\r\n${plain.toString()}\r\n`));
});

it('a chunk holds the bytes as they are, whatever they are, and is made once', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      const shared = new SharedBytes(Buffer.from(bytes));
      const head = `${bytes.length.toString(16)}\r\n`.length;
      expect(shared.chunk.subarray(head, -2)).toEqual(Buffer.from(bytes));
      expect(shared.chunk).toBe(shared.chunk);
      expect(shared.byteLength).toBe(bytes.length);
    }),
  );
});
