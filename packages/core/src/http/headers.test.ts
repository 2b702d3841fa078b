import { expect, test } from 'vitest';
import { cookiesOf, headerList, headerOf } from './headers.js';

test('repeated headers and lists give all their values', () => {
  expect(headerList({ 'x-a': 'one, two,,three ' }, 'x-a')).toEqual(['one', 'two', 'three']);
  expect(headerList({ 'x-a': ['one', 'two, three'] }, 'x-a')).toEqual(['one', 'two', 'three']);
  expect(headerList({}, 'x-a')).toEqual([]);
});

test('of a repeated header the first value counts where there can be one only', () => {
  expect(headerOf({ 'x-a': ['one', 'two'] }, 'x-a')).toBe('one');
  expect(headerOf({}, 'x-a')).toBeUndefined();
});

test('cookies are found by prefix, whatever stands between them', () => {
  const cookie =
    'a=1; pando.app.x=abc;pando.app.y = d=e ; pando.other.z=f; broken; =; pando.app.; pando.app.w=';
  expect([...cookiesOf({ cookie }, 'pando.app.')]).toEqual([
    ['pando.app.x', 'abc'],
    ['pando.app.y', 'd=e'],
    ['pando.app.w', ''],
  ]);
  expect(cookiesOf({}, 'pando.app.').size).toBe(0);
});
