import { expect, it } from 'vitest';
import { deadlineOf } from './deadline.js';

const clock = { now: () => 1_800_000_000_000 };
const read = (text: string) => deadlineOf({ 'x-request-deadline': text }, 'x-request-deadline', clock);

it('reads epoch milliseconds, and dates as in ISO 8601', () => {
  expect(read('1800000000500')).toBe(1_800_000_000_500);
  expect(read(new Date(1_800_000_000_500).toISOString())).toBe(1_800_000_000_500);
  expect(read('2027-01-15T09:00:01+01:00')).toBe(Date.parse('2027-01-15T08:00:01Z'));
});

it('heeds one that has passed', () => {
  expect(read('1799999999999')).toBe(1_799_999_999_999);
});

it.each(['', 'soon', '1800000000', '-5', '1e15', '9999999999999999999999', '5000', '2027', '1900000000000'])(
  'heeds nothing that nobody can have meant: %j',
  (text) => {
    expect(read(text)).toBeUndefined();
  },
);

it('heeds nothing where no header is named, or none is sent', () => {
  expect(deadlineOf({ 'x-request-deadline': '1800000000500' }, false, clock)).toBeUndefined();
  expect(deadlineOf({}, 'x-request-deadline', clock)).toBeUndefined();
});
