import { expect, it } from 'vitest';
import { Round } from './round.js';

const take = (round: Round<string, number>, count: number) =>
  Array.from({ length: count }, () => round.next()?.[0]);

it('goes round for ever, and meets what was added and misses what was deleted meanwhile', () => {
  const map = new Map([...'abc'].map((key, index) => [key, index] as const));
  const round = new Round(map);
  expect(take(round, 2)).toEqual(['a', 'b']);
  map.delete('c');
  map.set('d', 3);
  expect(take(round, 4)).toEqual(['d', undefined, 'a', 'b']);
  map.clear();
  expect(take(round, 2)).toEqual([undefined, undefined]);
  map.set('e', 4);
  expect(take(round, 3)).toEqual(['e', undefined, 'e']);
});
