import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Deliveries } from './deliveries.js';
import type { PresenceChange } from './ports.js';
import { Crowd, Stay } from './stay.js';

const host = { now: 0, expired: () => undefined };

/** A store that answers when the test says so. */
function setUp() {
  const calls: {
    channel: string;
    changes: readonly PresenceChange[];
    answer(isDone: boolean | Error): void;
  }[] = [];
  const heard: string[] = [];
  const deliveries = new Deliveries({
    life: 'life',
    store: {
      change: (channel, _, changes) =>
        new Promise((resolve, reject) => {
          calls.push({
            channel,
            changes,
            answer: (isDone) => (typeof isDone === 'boolean' ? resolve(isDone) : reject(isDone)),
          });
        }),
    },
    onDone: (errands) => void heard.push(`done ${errands.length}`),
    onRefused: () => void heard.push('refused'),
    onFailure: () => void heard.push('failed'),
  });
  let rows = 0;
  const arrive = (crowd: Crowd, user = `"user ${rows}"`) => {
    const stay = new Stay(host, crowd, new Map(), `life.${++rows}`, { user, info: undefined });
    crowd.stays.add(stay);
    deliveries.bring(stay, 'enter');
    return stay;
  };
  const told = () =>
    calls.map(({ channel, changes }) => `${channel} ${changes.map(({ kind }) => kind).join()}`);
  return { deliveries, calls, heard, arrive, told };
}

describe('what the store has to be told', () => {
  it('waits for the first lease, and goes in one call for each channel and turn', async () => {
    const { deliveries, calls, heard, arrive, told } = setUp();
    const [a, b] = [new Crowd('a'), new Crowd('b')];
    for (const crowd of [a, a, b, a]) arrive(crowd);
    await turn();
    expect(calls).toEqual([]);
    deliveries.resume();
    await turn();
    expect(told()).toEqual(['a enter,enter,enter', 'b enter']);
    for (const { answer } of calls) answer(true);
    await turn();
    expect(heard).toEqual(['done 3', 'done 1']);
  });

  it('goes one call after the other for each channel, in parts', async () => {
    const { deliveries, calls, arrive, told } = setUp();
    deliveries.resume();
    const crowd = new Crowd('a');
    const [first] = Array.from({ length: 130 }, () => arrive(crowd));
    await turn();
    if (first !== undefined) deliveries.bring(first, 'leave');
    await turn();
    expect(calls.map(({ changes }) => changes.length)).toEqual([128]);
    calls[0]?.answer(true);
    await turn();
    expect(told().slice(1)).toEqual(['a enter,enter,leave']);
  });

  it('is under way for so many channels at a time, and no more', async () => {
    const { deliveries, calls, arrive } = setUp();
    deliveries.resume();
    for (let n = 0; n < 40; n++) arrive(new Crowd(`channel ${n}`));
    await turn();
    expect(calls).toHaveLength(16);
    for (let at = 0; at < calls.length; at++) {
      calls[at]?.answer(true);
      await turn();
    }
    expect(new Set(calls.map(({ channel }) => channel)).size).toBe(40);
  });

  it.each([
    ['refused', false],
    ['failed', new Error('away')],
  ] as const)(
    'goes again, as it is by then, when it was %s; the store is left alone meanwhile',
    async (how, answer) => {
      const { deliveries, calls, heard, arrive, told } = setUp();
      deliveries.resume();
      const [a, b] = [new Crowd('a'), new Crowd('b')];
      const [stay] = [arrive(a), arrive(b)];
      await turn();
      stay.info = '1';
      deliveries.bring(stay, 'update');
      for (const call of calls) call.answer(answer);
      arrive(b);
      await turn();
      expect(heard).toEqual([how]); // once, whatever came back
      expect(calls).toHaveLength(2);
      deliveries.resume();
      await turn();
      expect(told().slice(2).sort()).toEqual(['a update', 'b enter,enter']);
      expect(calls.at(-2)?.changes.concat(calls.at(-1)?.changes ?? [])).toContainEqual({
        ...{ kind: 'update', row: stay.row, user: stay.user, info: '1' },
      });
    },
  );

  it('is told of everybody, as leaving whoever is over', async () => {
    const { deliveries, calls, arrive, told } = setUp();
    deliveries.resume();
    const crowd = new Crowd('a');
    const [gone] = [arrive(crowd), arrive(crowd)];
    await turn();
    calls[0]?.answer(true);
    await turn();
    gone.isOver = true;
    deliveries.bringAll(crowd);
    await turn();
    expect(told().at(-1)).toBe('a leave,enter');
  });
});
