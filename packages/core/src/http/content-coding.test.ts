import { expect, it } from 'vitest';
import { acceptedCodings, bestCoding } from './content-coding.js';

const accepting = (value: string | undefined) => (value === undefined ? {} : { 'accept-encoding': value });

it.each([
  [undefined, '', undefined],
  ['', '', undefined],
  ['identity', 'identity', undefined],
  ['gzip, deflate, br, zstd', 'br,deflate,gzip,zstd', 'br'],
  ['GZIP;Q=1.0 , br ; q=0.1', 'br,gzip', 'gzip'],
  ['x-gzip', 'gzip', 'gzip'],
  ['br;q=0, gzip', 'br;q=0,gzip', 'gzip'],
  ['*', '*', 'br'],
  ['*, br;q=0', '*,br;q=0', 'gzip'],
  ['gzip;q=0.5, identity', 'gzip,identity', undefined],
  ['gzip;q=0, *;q=0', '*;q=0,gzip;q=0', undefined],
  ['gzip;q=nonsense', 'gzip;q=0', undefined],
])('Accept-Encoding: %s is %j, and best answered in %s', (value, accepted, best) => {
  expect(acceptedCodings(accepting(value))).toBe(accepted);
  expect(bestCoding(accepting(value))).toBe(best);
});
