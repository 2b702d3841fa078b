import type { Signalled } from '../kernel/abort.js';
import type { Meter } from '../kernel/meter.js';
import type { Room } from '../kernel/room.js';
import type { MetricsRegistry } from './ports.js';

/** Records what the rooms do, and exposes it to Prometheus. */
export interface Metrics extends Room {
  readonly name: 'metrics';
  /** Hand it to the kernel; recording never throws and, once bound, never allocates. */
  readonly meter: Meter;
  /** The registry that was given, or the room's own. */
  readonly registry: MetricsRegistry;
  /** The `Content-Type` of {@link Metrics.expose}: OpenMetrics or the classic text, as the registry says. */
  readonly contentType: string;
  /** The text of everything in the registry, the application's own metrics included. Concurrent calls share one collection. */
  expose(options?: Signalled): Promise<string>;
}
