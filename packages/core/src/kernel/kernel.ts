import { type Clock, systemClock } from './clock.js';
import { type Contexts, createContexts } from './context.js';
import { createKeys, type Keys } from './keys.js';
import { type Logger, noopLogger } from './logger.js';
import { type Meter, noopMeter } from './meter.js';

/** What every room of one kit shares. A room that is used alone gets one of its own. */
export interface Kernel {
  readonly keys: Keys;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly contexts: Contexts;
}

/** What a kernel may be given. */
export interface KernelInit {
  /** @defaultValue `'app'` */
  readonly name?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly meter?: Meter | undefined;
}

/** Puts a kernel together; throws `PandoOptionsError` for a bad name. */
export function createKernel(init: KernelInit = {}): Kernel {
  const clock = init.clock ?? systemClock;
  return {
    keys: createKeys(init.name ?? 'app'),
    clock,
    logger: init.logger ?? noopLogger,
    meter: init.meter ?? noopMeter,
    contexts: createContexts(clock),
  };
}
