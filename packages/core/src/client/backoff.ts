/** How long to wait between attempts. */
export interface BackoffOptions {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

/** The time before the next attempt: longer after each failure, and from half of that to all of it, so that not everybody comes at once. */
export function backoffMs(
  failures: number,
  { minDelayMs, maxDelayMs }: BackoffOptions,
  random: () => number,
): number {
  const dueMs = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(failures, 30));
  return dueMs * (0.5 + 0.5 * random());
}
