import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packHeader, packMessage } from '../packing.js';
import type { Position } from '../position.js';
import { Entry, type Format } from './entry.js';
import { FanOut } from './fan-out.js';
import { Reader, type Sink } from './reader.js';

const at = (n: number): Position => ({ id: `${n}-0`, index: undefined, lineage: 'l' });
const header = Buffer.from(packHeader('node'));
const entry = (n: number): Entry => {
  const packed = Buffer.concat([header, packMessage('', String(n))]);
  return Entry.from('c', 'l', { id: `${n}-0`, prev: `${n - 1}-0`, packed }) as Entry;
};
const numbers: Format<number, readonly number[]> = {
  slot: 0,
  encode: (_entry, { data }) => Number(data.toString()),
  join: (frames) => frames,
};

class Listener implements Sink<readonly number[]> {
  readonly format = numbers;
  isFull = false;
  readonly heard: number[] = [];
  readonly batches: (readonly number[])[] = [];
  onStart(): void {}
  onReset(): void {}
  onBatch(_reader: Reader<readonly number[]>, batch: readonly number[]): void {
    this.heard.push(...batch);
    this.batches.push(batch);
  }
}

function setUp(maxBytes = 1_000_000, isLatest = false) {
  let last = 0;
  const parked: [Reader, Position][] = [];
  const fanOut = new FanOut(at(0), {
    maxBytes,
    isLatest,
    onFull: (reader, position) => {
      reader.state = 'parked';
      reader.at = position;
      parked.push([reader, position]);
      return 'leaves';
    },
  });
  const host = {
    name: 'c',
    positionOf: (reader: Reader) => fanOut.positionOf(reader),
    add: () => undefined,
    advance: () => undefined,
    remove: (reader: Reader) => fanOut.detach(reader),
  };
  const attach = (listener = new Listener()) => {
    const reader = new Reader(host, listener, {}, undefined) as Reader;
    reader.state = 'attached';
    fanOut.seal();
    fanOut.attach(reader);
    return { reader, listener, from: last };
  };
  const push = (count = 1) => {
    for (let n = 0; n < count; n++) fanOut.push(entry(++last));
  };
  return { fanOut, attach, push, parked, last: () => last };
}

const upTo = (to: number, from = 0) => Array.from({ length: to - from }, (_, n) => from + n + 1);

describe('what goes out', () => {
  it('is the same batch for all who were there before it', () => {
    const { fanOut, attach, push } = setUp();
    const [one, two] = [attach(), attach()];
    push(3);
    expect(fanOut.serve(10)).toBe(8);
    expect(one.listener.batches).toEqual([[1, 2, 3]]);
    expect(two.listener.batches[0]).toBe(one.listener.batches[0]);
    expect(fanOut.serve(10)).toBe(10);
    expect(fanOut.isDirty).toBe(false);
  });

  it('reaches some in one turn and the others in the next, and knows of each where it stands', () => {
    const { fanOut, attach, push } = setUp();
    const all = [attach(), attach(), attach()];
    push(2);
    expect(fanOut.serve(2)).toBe(0);
    expect(all.map(({ listener }) => listener.heard)).toEqual([[1, 2], [1, 2], []]);
    expect(all.map(({ reader }) => reader.position)).toEqual([at(2), at(2), at(0)]);
    push(1); // for the next round, for all of them
    expect(fanOut.serve(10)).toBe(6);
    for (const { listener, reader } of all) {
      expect(listener.heard).toEqual([1, 2, 3]);
      expect(reader.position).toEqual(at(3));
    }
  });

  it('is divided where a stretch would get too large, and a full sink gets no more of it', () => {
    const { fanOut, attach, push, parked } = setUp(1);
    const { reader, listener } = attach();
    listener.onBatch = (_reader, batch) => {
      listener.heard.push(...batch);
      listener.isFull = listener.heard.length === 2;
    };
    push(4);
    fanOut.serve(10);
    expect(listener.heard).toEqual([1, 2]);
    expect(parked).toEqual([[reader, at(2)]]);
  });

  it('leaves out who has left meanwhile', () => {
    const { fanOut, attach, push } = setUp();
    const [one, two, three] = [attach(), attach(), attach()];
    one.listener.onBatch = () => two.reader.close();
    push();
    fanOut.serve(10);
    expect([two.listener.heard, three.listener.heard]).toEqual([[], [1]]);
    expect(two.reader.position).toEqual(at(0));
  });

  it('is the newest alone where only that counts', () => {
    const { fanOut, attach, push } = setUp(1, true);
    const [{ listener }, { reader: late, listener: heardLate }] = [attach(), attach()];
    push(3);
    fanOut.serve(1);
    attach(); // ends the stretch
    push(2);
    attach();
    push(1);
    fanOut.serve(Number.POSITIVE_INFINITY);
    expect([listener.heard, heardLate.heard]).toEqual([
      [3, 6],
      [3, 6],
    ]);
    expect(late.position).toEqual(at(6));
  });

  it('begins anew where it is moved to', () => {
    const { fanOut, attach, push } = setUp();
    const [{ reader, listener }] = [attach(), attach()];
    push(2);
    fanOut.serve(1);
    fanOut.moveTo(at(9));
    expect(fanOut.isDirty).toBe(false);
    expect(reader.position).toEqual(at(9));
    fanOut.push(entry(10));
    fanOut.serve(10);
    expect(listener.heard).toEqual([1, 2, 10]);
  });
});

it('whoever comes and leaves, and however few are served at a time, each gets a run without a gap', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('push' as const), count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ do: fc.constant('serve' as const), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({
      do: fc.constantFrom('attach' as const, 'close' as const, 'full' as const),
      count: fc.nat(9),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(1, 60, 1_000_000), (steps, maxBytes) => {
      const { fanOut, attach, push, last } = setUp(maxBytes);
      const all = [attach(), attach()];
      for (const { do: what, count } of steps) {
        const some = all[count % all.length];
        if (what === 'push') push(count);
        else if (what === 'serve') fanOut.serve(count);
        else if (what === 'attach') all.push(attach());
        else if (what === 'close') some?.reader.close();
        else if (some !== undefined) some.listener.isFull = true;
      }
      fanOut.serve(Number.POSITIVE_INFINITY);
      for (const { reader, listener, from } of all) {
        const to = from + listener.heard.length;
        expect(listener.heard).toEqual(upTo(to, from));
        if (reader.state === 'attached') expect(to).toBe(last());
        expect(reader.position).toEqual(at(to));
      }
    }),
  );
});
