import { createKernel, type Kernel } from '../kernel/kernel.js';
import { type Lifecycle, LifecycleRoom } from './lifecycle.js';
import { nodeProcess, nodeSignals } from './node-process.js';
import { type LifecycleOptions, resolveLifecycleOptions } from './options.js';
import type { HostProcess, SignalSource } from './ports.js';

/** What a lifecycle may be given by its surroundings. */
export interface LifecycleWiring {
  readonly kernel?: Kernel | undefined;
  /** Where signals come from. @defaultValue the signals of this process */
  readonly signals?: SignalSource | undefined;
  /** What is held while hooks run, and ended. @defaultValue this process */
  readonly process?: HostProcess | undefined;
}

/**
 * Creates the lifecycle of one instance and, unless `signals` is false, begins to listen to signals.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * const lifecycle = createLifecycle({ readinessDelayMs: 10_000, totalMs: 28_000 });
 * lifecycle.register({ name: 'http server', phase: 'requests', stop: ({ signal }) => closeServer(server, signal) });
 * server.listen(3000, () => lifecycle.ready());
 * ```
 */
export function createLifecycle(options: LifecycleOptions = {}, wiring: LifecycleWiring = {}): Lifecycle {
  return new LifecycleRoom(
    wiring.kernel ?? createKernel(),
    resolveLifecycleOptions(options),
    wiring.signals ?? nodeSignals,
    wiring.process ?? nodeProcess,
  );
}
