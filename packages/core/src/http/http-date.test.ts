import { expect, it } from 'vitest';
import { parseHttpDate } from './http-date.js';

const at = Date.UTC(1994, 10, 6, 8, 49, 37);

it.each(['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'])(
  'reads a date in each of the three forms: %s',
  (text) => expect(parseHttpDate(text)).toBe(at),
);

it.each([
  undefined,
  '',
  '0',
  '784111777',
  '1994-11-06T08:49:37Z',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun, 66 Nov 1994 08:49:37 GMT',
])('takes nothing else for one: %s', (text) => expect(parseHttpDate(text)).toBeUndefined());
