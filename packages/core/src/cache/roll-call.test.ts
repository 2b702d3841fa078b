import { describe, expect, it } from 'vitest';
import { cacheToken, emptyToken, mergeTokens } from '../kernel/token.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { MessageBus } from './ports.js';
import { RollCall } from './roll-call.js';

const trustMs = 2_000;
const position = { epoch: 'an epoch', sequence: 7 };
const token = cacheToken(position);

/** Instances on one bus, which may lose what it is given. */
function setUp(names: readonly string[]) {
  const clock = createFakeClock();
  const listeners = new Map<string, Set<(payload: Buffer) => void>>();
  const live = new Set(names);
  let losesNext = 0;
  const bus: MessageBus = {
    claims: 'claims',
    rollCalls: 'roll-calls',
    async subscribe(channel, listener) {
      const all = listeners.get(channel) ?? new Set();
      listeners.set(channel, all.add(listener));
      return { close: async () => void all.delete(listener) };
    },
    async publish(channel, payload) {
      if (losesNext-- > 0) return;
      for (const listener of listeners.get(channel) ?? []) listener(Buffer.from(payload));
    },
  };
  const join = async (self: string) => {
    let applied: () => void = () => undefined;
    const reached = new Promise<boolean>((resolve) => {
      applied = () => resolve(true);
    });
    const asked: unknown[] = [];
    const follower = {
      reach: (at: unknown) => {
        asked.push(at);
        return reached;
      },
    };
    const fleet = { self, instances: () => [...live] };
    const rollCall = new RollCall({ clock, bus, fleet, follower, trustMs });
    await rollCall.start();
    return { rollCall, applied, asked };
  };
  const call = (rollCall: RollCall, of = token, signal = new AbortController().signal) => {
    const outcome = { isOver: false, error: undefined as unknown };
    const settled = () => {
      outcome.isOver = true;
    };
    rollCall.caughtUp(of, { signal }).then(settled, (error: unknown) => {
      settled();
      outcome.error = error;
    });
    return outcome;
  };
  const lose = (messages: number) => {
    losesNext = messages;
  };
  return { clock, live, join, call, lose };
}

describe('a roll call', () => {
  it('ends when every instance has applied the invalidation, the asking one included', async () => {
    const { clock, join, call } = setUp(['a', 'b', 'c']);
    const all = [await join('a'), await join('b'), await join('c')];
    const outcome = call((all[0] as (typeof all)[number]).rollCall);
    await clock.advance(0);
    for (const { asked } of all) expect(asked).toEqual([position]);
    for (const { applied } of all) {
      expect(outcome.isOver).toBe(false);
      applied();
      await clock.advance(0);
    }
    expect(outcome).toEqual({ isOver: true, error: undefined });
  });

  it('asks again when a question was lost', async () => {
    const { clock, join, call, lose } = setUp(['a', 'b']);
    const [a, b] = [await join('a'), await join('b')];
    a.applied();
    b.applied();
    lose(1);
    const outcome = call(a.rollCall);
    await clock.advance(0);
    expect([b.asked.length, outcome.isOver]).toEqual([0, false]);
    await clock.advance(250);
    expect(outcome.isOver).toBe(true);
  });

  it('does not wait for an instance that has gone', async () => {
    const { clock, live, join, call } = setUp(['a', 'gone']);
    const a = await join('a');
    a.applied();
    const outcome = call(a.rollCall);
    await clock.advance(0);
    expect(outcome.isOver).toBe(false);
    live.delete('gone');
    await clock.advance(250);
    expect(outcome.isOver).toBe(true);
  });

  it('waits for one that does not answer until it trusts its memory no more, and no longer', async () => {
    const { clock, join, call } = setUp(['a', 'deaf']);
    const a = await join('a');
    a.applied();
    const outcome = call(a.rollCall);
    await clock.advance(trustMs - 1);
    expect(outcome.isOver).toBe(false);
    await clock.advance(1);
    expect(outcome.isOver).toBe(true);
  });

  it('is not held for a token that names no invalidation, or epochs that cannot both exist', async () => {
    const { clock, join, call } = setUp(['a', 'deaf']);
    const { rollCall } = await join('a');
    const outcomes = [
      call(rollCall, emptyToken),
      call(rollCall, mergeTokens(token, cacheToken({ epoch: 'another', sequence: 1 }))),
    ];
    await clock.advance(0);
    expect(outcomes.map(({ isOver }) => isOver)).toEqual([true, true]);
  });

  it('ends with its caller', async () => {
    const { clock, join, call } = setUp(['a', 'deaf']);
    const { rollCall } = await join('a');
    const caller = new AbortController();
    const outcome = call(rollCall, token, caller.signal);
    caller.abort(new Error('gone'));
    await clock.advance(0);
    expect(outcome.error).toEqual(new Error('gone'));
  });
});
