import { describe, expect, it } from 'vitest';
import { TurnClock } from './turn-clock.js';

/** A clock that moves on with every reading. */
function ticking(stepMs: number) {
  let at = 0;
  let readings = 0;
  return {
    get readings() {
      return readings;
    },
    freeze(durationMs: number) {
      at += durationMs;
    },
    monotonic() {
      readings++;
      at += stepMs;
      return at;
    },
  };
}

const times = (count: number, run: () => void) => {
  for (let i = 0; i < count; i++) run();
};
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a clock that is read once for many', () => {
  it('is exact for whoever asks now and then', () => {
    const clock = ticking(1);
    const turns = new TurnClock(clock);
    times(1_000, () => void turns.now());
    expect(clock.readings).toBe(1_000);
  });

  it('stands still in a burst, and only for a while', () => {
    const clock = ticking(0.001);
    const turns = new TurnClock(clock);
    times(10_000, () => void turns.now());
    expect(clock.readings).toBeLessThan(300);
    const before = turns.now();
    times(100, () => void turns.now());
    expect(turns.now()).toBeGreaterThan(before);
  });

  it('never goes back', () => {
    const turns = new TurnClock(ticking(0.001));
    let last = 0;
    times(10_000, () => {
      const now = turns.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    });
  });

  it('does not stand still beyond the turn of the event loop', async () => {
    const clock = ticking(0.001);
    const turns = new TurnClock(clock);
    times(1_000, () => void turns.now());
    const before = turns.now();
    await turn();
    clock.freeze(60_000);
    expect(turns.now()).toBeGreaterThan(before + 59_000);
  });
});
