import { PandoError } from '../kernel/errors.js';
import type { LifecyclePhase } from './phases.js';

/**
 * The time of a shutdown phase is up. It is the reason in the signal of the hooks that still run; the shutdown goes on
 * without them.
 *
 * Let go of what is held when the `signal` aborts, or give the phase more of `lifecycle.totalMs`.
 */
export class PhaseTimeoutError extends PandoError {
  constructor(phase: LifecyclePhase, timeoutMs: number) {
    super({
      code: 'PANDO_LIFECYCLE_PHASE_TIMEOUT',
      message: `The ${phase} phase of the shutdown took longer than ${Math.round(timeoutMs)} ms. Let go of what is held, or raise lifecycle.${phase}Ms.`,
    });
  }
}

/**
 * A hook was registered when its phase had already begun. It will not be called.
 *
 * Register hooks when the thing that they end is created, or in a later phase.
 */
export class HookTooLateError extends PandoError {
  constructor(name: string, phase: LifecyclePhase) {
    super({
      code: 'PANDO_LIFECYCLE_HOOK_TOO_LATE',
      message: `The hook "${name}" came too late: the ${phase} phase of the shutdown has begun. Register hooks before the shutdown.`,
    });
  }
}

/**
 * Rooms did not close within the rooms phase of a shutdown: what they talk to hangs. The others were closed without them.
 *
 * Look at the servers that these rooms use, or raise `lifecycle.roomsMs`.
 */
export class RoomHungError extends PandoError {
  constructor(rooms: readonly string[]) {
    super({
      code: 'PANDO_LIFECYCLE_ROOM_HUNG',
      message: `Not closed within lifecycle.roomsMs: ${rooms.join(', ')}. Look at the servers that they use.`,
    });
  }
}
