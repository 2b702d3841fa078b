export { createOverload, type OverloadWiring } from './create.js';
export { UnknownGroupError } from './errors.js';
export type { AdmittedOutcome } from './group.js';
export { overloadInstruments } from './metrics.js';
export {
  type ConcurrencyOptions,
  type OverloadMode,
  type OverloadOptions,
  overloadDefaults,
} from './options.js';
export type {
  Admission,
  AdmissionPermit,
  AdmissionRefusal,
  AdmissionRequest,
  CallBudget,
  GroupLoad,
  Overload,
  OverloadReason,
} from './overload.js';
export type { LagMeter, LoopWatch } from './ports.js';
export type { RequestPriority } from './priority.js';
