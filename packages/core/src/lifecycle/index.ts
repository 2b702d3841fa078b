export type {
  HookFailure,
  Lifecycle,
  LifecycleHook,
  LifecyclePhase,
  LifecycleState,
  ShutdownReport,
} from './lifecycle.js';
export type { ProcessExit, SignalSource } from './ports.js';
