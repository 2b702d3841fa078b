import { expect, it } from 'vitest';
import { Events } from '../kernel/events.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { Follower } from './follower.js';
import type { LogReply, SharedLevel, SharedLevelEvents } from './ports.js';
import { Positions } from './positions.js';

it('takes nothing from a log that was asked for in another epoch than it answers for', async () => {
  let answer: (reply: LogReply) => void = () => undefined;
  const level = {
    isUp: true,
    isLive: true,
    events: new Events<SharedLevelEvents>(),
    log: () => new Promise<LogReply>((resolve) => (answer = resolve)),
  };
  const clock = createFakeClock();
  const positions = new Positions(100);
  const follower = new Follower({
    level: level as unknown as SharedLevel,
    clock,
    positions,
    adopted: () => undefined,
    replayed: () => undefined,
  });
  positions.adopt({ epoch: 'old', sequence: 81, floor: 0 });
  const reached = follower.reach({ epoch: 'old', sequence: 82 });
  await clock.advance(10); // the announcement does not come: what follows 81 is asked for

  positions.adopt({ epoch: 'new', sequence: 1, floor: 0 });
  // Nothing in the new epoch follows 81, but 2 and 3 are not known here for that.
  answer({ clock: { epoch: 'new', sequence: 3, floor: 0 }, moves: [] });
  await clock.advance(0);
  expect(positions.applied).toBe(1);

  answer({ clock: { epoch: 'new', sequence: 3, floor: 0 }, moves: [['tag', 3]] });
  expect(await reached).toBe(false);
  follower.close();
});

it('has a state replaced once for all who meet the same setback', async () => {
  const state = { epoch: 'old', sequence: 3, floor: 0 };
  let renewals = 0;
  const level = {
    isUp: true,
    isLive: true,
    events: new Events<SharedLevelEvents>(),
    log: async () => ({ clock: { ...state }, moves: [] }),
    renew: async () => {
      renewals++;
      Object.assign(state, { epoch: `new ${renewals}`, sequence: 0 });
    },
  };
  const clock = createFakeClock();
  const positions = new Positions(100);
  const follower = new Follower({
    level: level as unknown as SharedLevel,
    clock,
    positions,
    adopted: () => undefined,
    replayed: () => undefined,
  });
  positions.adopt({ epoch: 'old', sequence: 5, floor: 0 });
  const since = follower.now();
  const behind = { ...state };
  const all = [follower.meet(behind, since), follower.meet(behind, since), follower.renew('old')];
  expect(await Promise.all(all)).toEqual([false, false, undefined]);
  expect(await follower.meet(behind, since)).toBe(false); // an answer that was long on its way
  expect([renewals, positions.epoch]).toEqual([1, 'new 1']);
  follower.close();
});
