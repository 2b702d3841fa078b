import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.js';
import { Deadlines, type Wait } from './deadlines.js';

const wait = (since: number, expire: () => void): Wait => ({ since, expire });

describe('Deadlines', () => {
  it('expire each wait once, when its own time is up', async () => {
    const clock = createFakeClock();
    const deadlines = new Deadlines(clock);
    const expired: [string, number][] = [];
    const begin = (name: string, durationMs: number) =>
      deadlines.begin(
        wait(clock.monotonic(), () => void expired.push([name, clock.monotonic()])),
        durationMs,
      );
    begin('a', 150);
    await clock.advance(100);
    begin('b', 150);
    begin('c', 30);
    await clock.advance(1_000);
    expect(expired).toEqual([
      ['c', 130],
      ['a', 150],
      ['b', 250],
    ]);
    expect(clock.pending).toBe(0);
  });

  it('forget a wait that ended', async () => {
    const clock = createFakeClock();
    const deadlines = new Deadlines(clock);
    let expired = false;
    const ended = wait(0, () => {
      expired = true;
    });
    deadlines.begin(ended, 150);
    deadlines.end(ended, 150);
    await clock.advance(1_000);
    expect(expired).toBe(false);
    expect(clock.pending).toBe(0);
  });

  it('hold one timer for any number of waits of one duration', () => {
    const clock = createFakeClock();
    const deadlines = new Deadlines(clock);
    for (let count = 0; count < 1_000; count++)
      deadlines.begin(
        wait(0, () => undefined),
        150,
      );
    expect(clock.pending).toBe(1);
  });

  it('never expire early, nor forget anybody, in whatever order waits begin and end', async () => {
    const step = fc.record({
      afterMs: fc.nat(40),
      durationMs: fc.constantFrom(10, 50, 90),
      ends: fc.option(fc.nat(120)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const clock = createFakeClock();
        const deadlines = new Deadlines(clock);
        const outcomes = steps.map(() => undefined as { expiredAt: number } | 'ended' | undefined);
        const dues: number[] = [];
        for (const [index, { afterMs, durationMs, ends }] of steps.entries()) {
          await clock.advance(afterMs);
          const one = wait(clock.monotonic(), () => {
            expect(outcomes[index]).toBeUndefined();
            outcomes[index] = { expiredAt: clock.monotonic() };
          });
          dues.push(one.since + durationMs);
          deadlines.begin(one, durationMs);
          if (ends !== null && ends < durationMs) {
            clock.after(ends, () => {
              deadlines.end(one, durationMs);
              outcomes[index] = 'ended';
            });
          }
        }
        await clock.advance(500);
        for (const [index, { durationMs, ends }] of steps.entries()) {
          const expected = ends !== null && ends < durationMs ? 'ended' : { expiredAt: dues[index] };
          expect(outcomes[index]).toEqual(expected);
        }
        expect(clock.pending).toBe(0);
      }),
    );
  });
});
