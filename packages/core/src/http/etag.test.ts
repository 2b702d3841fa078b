import { expect, it } from 'vitest';
import { etagOf, namesEtag } from './etag.js';

it('entity tags follow the content, and are weak', () => {
  expect(etagOf(Buffer.from('a'))).toMatch(/^W\/"[\w-]{27}"$/);
  expect(etagOf(Buffer.from('a'))).toBe(etagOf(Buffer.from('a')));
  expect(etagOf(Buffer.from('a'))).not.toBe(etagOf(Buffer.from('b')));
});

it.each([
  ['W/"a"', 'W/"a"', true],
  ['"a"', 'W/"a"', true],
  ['W/"a"', '"a"', true],
  ['"x", W/"a" , "y"', '"a"', true],
  ['"x,y","a"', '"x,y"', true],
  ['"x,y"', '"x"', false],
  ['*', '"a"', true],
  [' * ', 'W/"a"', true],
  ['"*"', '"a"', false],
  ['"A"', '"a"', false],
  ['a', '"a"', false],
  ['', '"a"', false],
  [undefined, '"a"', false],
  ['*', undefined, false],
])('If-None-Match: %s against %s: %s', (ifNoneMatch, etag, named) => {
  expect(namesEtag(ifNoneMatch, etag)).toBe(named);
});
