/** How much it matters that something is done: `critical` is refused last, `sheddable` first. */
export type RequestPriority = 'critical' | 'normal' | 'sheddable';

/** How much of a limit a priority may use. What is critical may go beyond it, and presses upon the others until there is room again. */
export const shares: Readonly<Record<RequestPriority, number>> = Object.freeze({
  critical: 1.5,
  normal: 0.8,
  sheddable: 0.5,
});
