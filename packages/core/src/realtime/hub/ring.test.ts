import { expect, it } from 'vitest';
import { packHeader, packMessage } from '../packing.js';
import { Entry } from './entry.js';
import { Ring } from './ring.js';

const packed = Buffer.concat([Buffer.from(packHeader('node')), packMessage('', '1')]);
const entry = (id: string, prev: string) => Entry.from('c', 'l', { id, prev, packed }) as Entry;
const at = (id: string) => ({ id, index: undefined, lineage: 'l' });

it('tells what follows an entry, also the one before its first, and nothing beyond its last', () => {
  const ring = new Ring(2, 1_000);
  for (let n = 1; n <= 3; n++) ring.push(entry(`${n}-0`, `${n - 1}-0`));
  expect(ring.after(at('0-0'))).toBeUndefined();
  expect(ring.after(at('1-0'))?.id).toBe('2-0');
  expect(ring.after(at('2-0'))?.id).toBe('3-0');
  expect(ring.after(at('3-0'))).toBeUndefined();
});

it('never sends a reader round in a circle, even if it is given an entry twice', () => {
  const ring = new Ring(10, 1_000);
  for (const id of ['1-0', '2-0', '1-0', '3-0']) ring.push(entry(id, '0-0'));
  const walked: string[] = [];
  for (let next = ring.after(at('1-0')); next !== undefined && walked.length < 10; ) {
    walked.push(next.id);
    next = ring.after(at(next.id));
  }
  expect(walked).toEqual(['3-0']);
});
