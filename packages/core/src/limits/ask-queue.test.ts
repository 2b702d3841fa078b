import { describe, expect, it } from 'vitest';
import { AskQueue, MAX_ASKS, type QueuedAsk } from './ask-queue.js';
import type { LimitAsk, LimitVerdict } from './ports.js';

const rule = { id: 'p', algorithm: 'fixed', windows: [{ limit: 1, windowMs: 1_000 }] } as const;
const verdict: LimitVerdict = { fits: true, window: 0, remaining: 0, resetMs: 1 };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A store whose answers a test gives, and a queue before it. */
function setting() {
  const calls: {
    readonly asks: readonly LimitAsk[];
    answer(): Promise<void>;
    fail(): Promise<void>;
  }[] = [];
  const queue = new AskQueue({
    ask: (asks) =>
      new Promise((resolve, reject) => {
        calls.push({
          asks,
          answer: () => {
            resolve(asks.map(({ amount }) => ({ ...verdict, remaining: amount })));
            return turn();
          },
          fail: () => {
            reject(new Error('no answer'));
            return turn();
          },
        });
      }),
  });
  const outcomes: (number | string)[] = [];
  let asked = 0;
  const push = (count: number) => {
    for (let index = 0; index < count; index++) {
      const ask: QueuedAsk = {
        ...{ rule, key: 'k', kind: 'spend', amount: ++asked },
        succeed: ({ remaining }) => outcomes.push(remaining),
        fail: (cause) => outcomes.push(String(cause)),
      };
      queue.push(ask);
    }
  };
  return { calls, push, outcomes, sizes: () => calls.map(({ asks }) => asks.length) };
}

describe('the queue before a store', () => {
  it('lets a single ask leave before the turn ends', async () => {
    const { push, sizes } = setting();
    push(1);
    await Promise.resolve().then(() => Promise.resolve());
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(sizes()).toEqual([1]);
  });

  it('lets asks that have come alone for long leave at once, and gathers again when two come together', async () => {
    const { calls, push, sizes, outcomes } = setting();
    for (let call = 0; call < 9; call++) {
      push(1);
      if (call === 8) expect(sizes()).toHaveLength(9);
      await turn();
      await calls[call]?.answer();
    }
    push(2);
    expect(sizes()).toEqual(Array(10).fill(1));
    await calls[9]?.answer();
    await turn();
    await calls[10]?.answer();
    push(2);
    await turn();
    expect(sizes()).toEqual([...Array(11).fill(1), 2]);
    await calls[11]?.answer();
    expect(outcomes).toEqual(Array.from({ length: 13 }, (_, index) => index + 1));
  });

  it('makes one call of what is asked in a turn, and answers each in its order', async () => {
    const { calls, push, sizes, outcomes } = setting();
    push(5);
    await turn();
    expect(sizes()).toEqual([5]);
    await calls[0]?.answer();
    expect(outcomes).toEqual([1, 2, 3, 4, 5]);
  });

  it('gathers what comes while a call is under way', async () => {
    const { calls, push, sizes, outcomes } = setting();
    push(1);
    await turn();
    for (let round = 0; round < 5; round++) {
      push(2);
      await turn();
    }
    expect(sizes()).toEqual([1]);
    await calls[0]?.answer();
    await turn();
    expect(sizes()).toEqual([1, 10]);
    await calls[1]?.answer();
    expect(outcomes).toHaveLength(11);
  });

  it('sends a crowd beside a call that is under way, but never a third', async () => {
    const { push, sizes } = setting();
    push(1);
    await turn();
    push(40);
    await turn();
    push(40);
    await turn();
    expect(sizes()).toEqual([1, 40]);
  });

  it('asks for no more than the bound in one call', async () => {
    const { calls, push, sizes, outcomes } = setting();
    push(2 * MAX_ASKS + 10);
    await turn();
    for (let call = 0; call < 3; call++) {
      await calls[call]?.answer();
      await turn();
    }
    expect(sizes()).toEqual([MAX_ASKS, MAX_ASKS, 10]);
    expect(outcomes).toEqual(Array.from({ length: 2 * MAX_ASKS + 10 }, (_, index) => index + 1));
  });

  it('lets nobody wait on behind a call that failed, and asks again for who comes later', async () => {
    const { calls, push, sizes, outcomes } = setting();
    push(1);
    await turn();
    push(3);
    await turn();
    await calls[0]?.fail();
    expect(outcomes).toEqual(Array(4).fill('Error: no answer'));
    push(1);
    await turn();
    expect(sizes()).toEqual([1, 1]);
    await calls[1]?.answer();
    expect(outcomes.at(-1)).toBe(5);
  });
});
