import { expect, it } from 'vitest';
import { codedEtag, digestOf, etagOf, namedEtag } from './etag.js';

it('entity tags follow the content, and are weak', () => {
  const tagOf = (text: string) => etagOf(digestOf(Buffer.from(text)));
  expect(tagOf('a')).toMatch(/^W\/"[\w-]{27}"$/);
  expect(tagOf('a')).toBe(tagOf('a'));
  expect(tagOf('a')).not.toBe(tagOf('b'));
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
  expect(namedEtag(ifNoneMatch, etag)).toBe(named ? etag : undefined);
});

it('a coding has a tag of its own, by which the body is known as well', () => {
  expect(codedEtag('"a"', 'br')).toBe('W/"a-br"');
  expect(codedEtag('W/"a"', 'gzip')).toBe('W/"a-gzip"');
  expect(namedEtag('"b", W/"a-br"', 'W/"a"')).toBe('W/"a-br"');
  expect(namedEtag('"a-br"', '"a"')).toBe('W/"a-br"');
  expect(namedEtag('"a-zip"', '"a"')).toBeUndefined();
  expect(namedEtag('"a"', '"a-br"')).toBeUndefined();
});
