import { expect, it } from 'vitest';
import { Gate } from './gate.js';

const signal = new AbortController().signal;
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('lets as many through as it is wide, and the others in the order of their coming', async () => {
  const gate = new Gate(1);
  const entered: string[] = [];
  const enter = async (name: string) => {
    const room = await gate.enter(signal);
    entered.push(name);
    return room;
  };
  const first = await enter('first');
  const [second, third] = [enter('second'), enter('third')];
  await settled();
  expect(entered).toEqual(['first']);
  first[Symbol.dispose]();
  first[Symbol.dispose](); // gives room once
  await settled();
  expect(entered).toEqual(['first', 'second']);
  (await second)[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  await enter('fourth');
  expect(entered).toEqual(['first', 'second', 'third', 'fourth']);
});

it('forgets who has left the line, even at the moment of being admitted', async () => {
  const gate = new Gate(1);
  const room = await gate.enter(signal);
  const [early, late] = [new AbortController(), new AbortController()];
  const leaving = [gate.enter(early.signal), gate.enter(late.signal)];
  early.abort(new Error('left'));
  await expect(leaving[0]).rejects.toThrow('left');
  late.abort(new Error('left'));
  room[Symbol.dispose]();
  await expect(leaving[1]).rejects.toThrow('left');
  await gate.enter(signal);
});

it('does not let in who has left before', async () => {
  const gate = new Gate(1);
  await expect(gate.enter(AbortSignal.abort(new Error('left')))).rejects.toThrow('left');
  await gate.enter(signal);
});
