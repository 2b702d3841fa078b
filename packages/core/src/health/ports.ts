import type { Check } from '../kernel/room.js';

/** Where in its life the instance is; what the lifecycle room calls its state. */
export type InstanceState = 'starting' | 'ready' | 'draining' | 'closed';

/** A check with a rhythm of its own; what is left out comes from the options of the room. */
export interface HealthCheck extends Check {
  /**
   * Whether every instance depends on the very same thing, as on the database: when that fails, taking instances out of
   * the balancer helps nobody. Databases and Redis are.
   *
   * @defaultValue `false`
   */
  readonly shared?: boolean | undefined;
  /** Between two looks. @defaultValue that of the room */
  readonly intervalMs?: number | undefined;
  /** For one look. @defaultValue that of the room */
  readonly timeoutMs?: number | undefined;
}
