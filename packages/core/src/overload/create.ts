import { createKernel, type Kernel } from '../kernel/kernel.js';
import { guardNodeHeap, measureNodeLag, watchNodeLoop } from './node-process.js';
import { type OverloadOptions, resolveOverloadOptions } from './options.js';
import { type Overload, OverloadRoom } from './overload.js';
import type { LagMeter, LoopWatch, OverloadGuard } from './ports.js';

/** What an overload room may be given by its surroundings. */
export interface OverloadWiring {
  readonly kernel?: Kernel | undefined;
  /** Says how many wait for each connection to the database: `waiting` is what it guards. @defaultValue nobody waits */
  readonly waitingPerConnection?: (() => number) | undefined;
  /** Listens to the event loop. @defaultValue that of this process */
  readonly measureLag?: (() => LagMeter) | undefined;
  /** Watches the turns of the event loop. @defaultValue that of this process */
  readonly watchLoop?: (() => LoopWatch) | undefined;
  /** For jitter, and for what is refused in part. @defaultValue `Math.random` */
  readonly random?: (() => number) | undefined;
}

/**
 * Creates the overload room; {@link Overload.start} makes it listen to the event loop.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * const overload = createOverload({ groups: { search: { maxConcurrency: 50 } } });
 * await overload.start();
 * const admission = overload.admit({ group: 'search', priority: 'sheddable' });
 * ```
 */
export function createOverload(options: OverloadOptions = {}, wiring: OverloadWiring = {}): Overload {
  const resolved = resolveOverloadOptions(options);
  const { maxHeapRatio, maxWaitingPerConnection } = resolved;
  const { waitingPerConnection } = wiring;
  const guards: OverloadGuard[] = [];
  if (maxHeapRatio !== false) guards.push(guardNodeHeap(maxHeapRatio));
  if (maxWaitingPerConnection !== false && waitingPerConnection !== undefined) {
    guards.push({ reason: 'waiting', isOver: () => waitingPerConnection() > maxWaitingPerConnection });
  }
  return new OverloadRoom(wiring.kernel ?? createKernel(), resolved, {
    measureLag: wiring.measureLag ?? measureNodeLag,
    watchLoop: wiring.watchLoop ?? watchNodeLoop,
    guards,
    random: wiring.random ?? Math.random,
  });
}
