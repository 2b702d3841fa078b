import type { Clock } from '../kernel/clock.js';

/** A clock that stands still until a test turns it. */
export interface FakeClock extends Clock {
  /** Moves both times forward, running due timers in order and letting promises settle in between. */
  advance(durationMs: number): Promise<void>;
  /** Moves the wall clock only, forward or back, as an operator or NTP would. */
  jump(durationMs: number): void;
  /** How many timers wait. */
  readonly pending: number;
}

interface Timer {
  dueAt: number;
  readonly everyMs: number | undefined;
  readonly run: () => void;
}

/** Creates a fake clock that shows the given wall-clock time. */
export function createFakeClock({ now = 1_700_000_000_000 }: { readonly now?: number } = {}): FakeClock {
  let wall = now;
  let monotonic = 0;
  const timers = new Set<Timer>();

  const add = (delayMs: number, run: () => void, everyMs?: number): Disposable => {
    const timer: Timer = { dueAt: monotonic + delayMs, everyMs, run };
    timers.add(timer);
    return { [Symbol.dispose]: () => void timers.delete(timer) };
  };
  const nextBefore = (end: number): Timer | undefined => {
    let next: Timer | undefined;
    for (const timer of timers)
      if (timer.dueAt <= end && (next === undefined || timer.dueAt < next.dueAt)) next = timer;
    return next;
  };
  const turnTo = (instant: number): void => {
    wall += instant - monotonic;
    monotonic = instant;
  };

  return {
    now: () => wall,
    monotonic: () => monotonic,
    after: (delayMs, run) => add(delayMs, run),
    every: (intervalMs, run) => add(intervalMs, run, intervalMs),
    get pending() {
      return timers.size;
    },
    jump: (durationMs) => {
      wall += durationMs;
    },
    async advance(durationMs) {
      const end = monotonic + durationMs;
      await settle();
      for (let timer = nextBefore(end); timer !== undefined; timer = nextBefore(end)) {
        turnTo(Math.max(timer.dueAt, monotonic));
        if (timer.everyMs === undefined) timers.delete(timer);
        else timer.dueAt += timer.everyMs;
        timer.run();
        await settle();
      }
      turnTo(end);
    },
  };
}

/** Lets everything that is ready to run do so: a macrotask runs after all microtasks before it. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
