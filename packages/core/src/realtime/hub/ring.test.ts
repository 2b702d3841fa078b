import { expect, it } from 'vitest';
import { packHeader, packMessage } from '../packing.js';
import { Entry } from './entry.js';
import { Ring } from './ring.js';

const packed = Buffer.concat([Buffer.from(packHeader('node')), packMessage('', '1')]);
const entry = (id: string, prev: string) => Entry.from('c', 'l', { id, prev, packed }) as Entry;
const at = (id: string) => ({ id, index: undefined, lineage: 'l' });
const idsAfter = (ring: Ring, id: string, maxBytes = 1_000) =>
  ring.after(at(id), maxBytes)?.entries.map((each) => each.id);

it('tells what follows an entry, also the one before its first, and nothing beyond its last', () => {
  const ring = new Ring(2, 1_000);
  for (let n = 1; n <= 3; n++) ring.push(entry(`${n}-0`, `${n - 1}-0`));
  expect(idsAfter(ring, '0-0')).toBeUndefined();
  expect(idsAfter(ring, '1-0')).toEqual(['2-0', '3-0']);
  expect(idsAfter(ring, '2-0')).toEqual(['3-0']);
  expect(idsAfter(ring, '3-0')).toBeUndefined();
});

it('never sends a reader round in a circle, even if it is given an entry twice', () => {
  const ring = new Ring(10, 1_000);
  for (const id of ['1-0', '2-0', '1-0', '3-0']) ring.push(entry(id, '0-0'));
  const walked: string[] = [];
  for (let next = idsAfter(ring, '1-0'); next !== undefined && walked.length < 10; ) {
    walked.push(...next);
    next = idsAfter(ring, next.at(-1) as string);
  }
  expect(walked).toEqual(['3-0']);
});

it('gives as much at once as it is asked for, an entry at least, and the same to all who stand at one place', () => {
  const ring = new Ring(10, 10_000);
  for (let n = 1; n <= 5; n++) ring.push(entry(`${n}-0`, `${n - 1}-0`));
  expect(idsAfter(ring, '1-0', 2 * packed.length)).toEqual(['2-0', '3-0']);
  expect(idsAfter(ring, '2-0', 1)).toEqual(['3-0']);
  const stretch = ring.after(at('3-0'), 1_000);
  expect(ring.after(at('3-0'), 1_000)).toBe(stretch);
  ring.push(entry('6-0', '5-0'));
  expect(idsAfter(ring, stretch?.end.id as string)).toEqual(['6-0']);
});
