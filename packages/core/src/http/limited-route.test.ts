import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyText } from './limited-route.js';

const part = fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom(...'ab:,%=2C') });
const key = fc.oneof(part, fc.dictionary(fc.constantFrom('user', 'tenant', 'apiKey'), part, { minKeys: 1 }));

test('no two keys are counted as one', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      const isSame = JSON.stringify(a) === JSON.stringify(b);
      expect(keyText('write', a) === keyText('write', b)).toBe(isSame);
    }),
    { numRuns: 2_000 },
  );
});

test('no value passes for another part', () => {
  const both = keyText('write', { tenant: 'a', user: 'b' });
  expect(both).toBe('tenant:a,user:b');
  expect(keyText('write', { tenant: 'a,user:b' })).toBe('tenant:a%2Cuser:b');
  expect(keyText('write', { tenant: 'a%2Cuser:b' })).toBe('tenant:a%252Cuser:b');
});

test('no key passes for an address', () => {
  fc.assert(
    fc.property(key, (any) => {
      expect(keyText('write', any)).not.toMatch(/^ip:/);
    }),
  );
  expect(() => keyText('write', { ip: '203.0.113.7' })).toThrow();
  expect(() => keyText('write', { key: 'ann' })).toThrow();
  expect(() => keyText('write', { 'user:ann,ip': 'x' })).toThrow();
});

test('parts that are undefined are left out, and no part at all is the address', () => {
  expect(keyText('write', { tenant: undefined, user: 'ann' })).toBe('user:ann');
  expect(keyText('write', { user: undefined })).toBeUndefined();
  expect(keyText('write', undefined)).toBeUndefined();
});
