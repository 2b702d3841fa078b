import { createKernel, type Kernel } from '../kernel/kernel.js';
import type { Room } from '../kernel/room.js';
import { type Health, HealthRoom } from './health.js';
import { type HealthOptions, resolveHealthOptions } from './options.js';
import type { InstanceState } from './ports.js';

/** What a health room may be given by its surroundings. */
export interface HealthWiring {
  readonly kernel?: Kernel | undefined;
  /** Whose checks to run; asked once, at construction. */
  readonly rooms?: (() => readonly Pick<Room, 'checks'>[]) | undefined;
  /** Components that groups may name although nobody looks at them here: Redis, say, of a process that has none. */
  readonly absent?: readonly string[] | undefined;
  /** Where in its life the instance is. Without it the room goes by its own: ready once started, until it drains. */
  readonly state?: (() => InstanceState) | undefined;
  /** For the jitter between looks. @defaultValue `Math.random` */
  readonly random?: (() => number) | undefined;
}

/**
 * Creates the health room; {@link Health.start} takes the first look.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * const health = createHealth({
 *   version: '1.4.0',
 *   checks: [{ name: 'disk', critical: true, run: async () => ({ status: await freeSpace() ? 'healthy' : 'unhealthy' }) }],
 * });
 * await health.start();
 * const { status, body } = health.ready();
 * ```
 */
export function createHealth(options: HealthOptions = {}, wiring: HealthWiring = {}): Health {
  return new HealthRoom(wiring.kernel ?? createKernel(), resolveHealthOptions(options), {
    rooms: wiring.rooms ?? (() => []),
    absent: wiring.absent ?? [],
    state: wiring.state,
    random: wiring.random ?? Math.random,
  });
}
