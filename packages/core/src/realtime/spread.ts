import type { Clock } from '../kernel/clock.js';

/** How to spread. */
export interface SpreadOptions {
  readonly clock: Clock;
  readonly durationMs: number;
  /** Takes all that are left, at once, when it aborts. */
  readonly signal: AbortSignal | undefined;
}

const STEP_MS = 50;

/** Takes each item once, in random order, evenly over a time; resolves after the last one. One timer, however many there are. */
export function spread<T>(
  items: readonly T[],
  take: (item: T) => void,
  { clock, durationMs, signal }: SpreadOptions,
): Promise<void> {
  const order = shuffled(items);
  const startedAt = clock.monotonic();
  let taken = 0;
  return new Promise((resolve) => {
    const step = (): void => {
      const share = signal?.aborted ? 1 : (clock.monotonic() - startedAt) / durationMs;
      const due = Math.min(order.length, Math.ceil(order.length * share));
      for (; taken < due; taken++) take(order[taken] as T);
      if (taken < order.length) return;
      timer[Symbol.dispose]();
      signal?.removeEventListener('abort', step);
      resolve();
    };
    const timer = clock.every(Math.min(STEP_MS, durationMs), step);
    signal?.addEventListener('abort', step);
    step();
  });
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[]): readonly T[] {
  const order = [...items];
  for (let at = order.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [order[at], order[other]] = [order[other] as T, order[at] as T];
  }
  return order;
}
