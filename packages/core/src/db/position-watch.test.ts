import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.js';
import { PositionWatch } from './position-watch.js';

function setup() {
  const clock = createFakeClock();
  const askedAt: number[] = [];
  let position = 0;
  const watch: PositionWatch = new PositionWatch(clock, async () => {
    askedAt.push(clock.monotonic());
    watch.moved();
  });
  return {
    clock,
    watch,
    askedAt,
    moveTo: (next: number) => {
      position = next;
    },
    reach: (target: number, timeoutMs = 25, signal?: AbortSignal) =>
      watch.wait(() => position >= target, timeoutMs, signal),
  };
}

describe('waiting for a position', () => {
  it('is over at once where it was reached, without asking', async () => {
    const { reach, askedAt } = setup();
    expect(await reach(0)).toBe(true);
    expect(askedAt).toEqual([]);
  });

  it('asks at once, then after 1, 2, 4 and 8 ms, until the time is up', async () => {
    const { reach, askedAt, clock } = setup();
    const arrived = reach(1);
    await clock.advance(25);
    expect(await arrived).toBe(false);
    expect(askedAt).toEqual([0, 1, 3, 7, 15, 23]);
    await clock.advance(100);
    expect(askedAt).toHaveLength(6);
    expect(clock.pending).toBe(0);
  });

  it('ends as soon as the position is known to be reached', async () => {
    const { reach, askedAt, clock, moveTo } = setup();
    const arrived = reach(1);
    await clock.advance(2);
    moveTo(1);
    await clock.advance(1);
    expect(await arrived).toBe(true);
    expect(askedAt).toEqual([0, 1, 3]);
    expect(clock.pending).toBe(0);
  });

  it('asks once for all who wait, and soon after a newcomer', async () => {
    const { reach, askedAt, clock, moveTo } = setup();
    const first = reach(1, 100);
    await clock.advance(17); // the next question would be at 23
    const second = reach(2, 100);
    moveTo(2);
    await clock.advance(1);
    expect(await Promise.all([first, second])).toEqual([true, true]);
    expect(askedAt).toEqual([0, 1, 3, 7, 15, 18]);
  });

  it("rejects with the signal's reason and forgets the waiter", async () => {
    const { reach, clock } = setup();
    const controller = new AbortController();
    const rejection = expect(reach(1, 25, controller.signal)).rejects.toThrow('gone');
    await clock.advance(2);
    controller.abort(new Error('gone'));
    await rejection;
    await clock.advance(10);
    expect(clock.pending).toBe(0);
  });

  it('goes on asking a server that fails', async () => {
    const clock = createFakeClock();
    let asked = 0;
    const watch: PositionWatch = new PositionWatch(clock, async () => {
      if (++asked < 3) throw new Error('refused');
      watch.moved();
    });
    const arrived = watch.wait(() => asked >= 3, 25);
    await clock.advance(25);
    expect(await arrived).toBe(true);
  });

  it('is over for everybody when the watch closes', async () => {
    const { reach, watch, clock } = setup();
    const arrived = reach(1);
    await clock.advance(1);
    watch.close();
    expect(await arrived).toBe(false);
    await clock.advance(1);
    expect(clock.pending).toBe(0);
  });
});
