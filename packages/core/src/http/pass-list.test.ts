import { expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.js';
import { PassList } from './pass-list.js';

it('keys pass for a while, counted from the last time', async () => {
  const clock = createFakeClock();
  const list = new PassList(clock, { passMs: 100 });
  list.add('a');
  await clock.advance(60);
  expect([list.has('a'), list.has('b')]).toEqual([true, false]);
  list.add('a');
  await clock.advance(99);
  expect(list.has('a')).toBe(true);
  await clock.advance(1);
  expect(list.has('a')).toBe(false);
});

it('the oldest goes when there are too many', () => {
  const list = new PassList(createFakeClock(), { maxKeys: 2 });
  for (const key of ['a', 'b', 'a', 'c']) list.add(key);
  expect(['a', 'b', 'c'].filter((key) => list.has(key))).toEqual(['a', 'c']);
});
