export { createLifecycle, type LifecycleWiring } from './create.js';
export { HookTooLateError, PhaseTimeoutError, RoomHungError } from './errors.js';
export type {
  HookFailure,
  Lifecycle,
  LifecycleHook,
  LifecycleState,
  ShutdownReport,
} from './lifecycle.js';
export { lifecycleInstruments } from './metrics.js';
export { type LifecycleOptions, lifecycleDefaults } from './options.js';
export type { LifecyclePhase } from './phases.js';
export type { HostProcess, SignalSource } from './ports.js';
