import { hostname } from 'node:os';
import type { Signalled } from './kernel/abort.js';
import type { FleetRoster } from './kernel/fleet.js';
import type { Lifecycle, LifecycleState } from './lifecycle/index.js';

/** What an instance says of itself. */
interface Description {
  /** That of the application: `health.version`. */
  readonly version: string | undefined;
  readonly host: string;
  readonly pid: number;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly state: LifecycleState;
  /** Event streams and WebSockets that it serves. */
  readonly connections: number;
}

/** One live instance; one of a release that does not describe itself has its id alone. */
export interface FleetInstance extends Partial<Description> {
  readonly id: string;
}

/** What an instance is described from. */
export interface FleetViewInit {
  /** Absent without Redis: this process is all there is. */
  readonly fleet: FleetRoster | undefined;
  readonly self: string;
  readonly version: string | undefined;
  readonly lifecycle: Lifecycle;
  readonly startedAt: number;
  readonly connections: () => number;
}

/** Says of this instance what others see, and shows what others say. */
export class FleetView {
  readonly #init: FleetViewInit;
  readonly #host = hostname();

  constructor(init: FleetViewInit) {
    this.#init = init;
    const { fleet, lifecycle } = init;
    if (fleet === undefined) return;
    fleet.describe(() => this.#description());
    lifecycle.onState(() => fleet.renew());
  }

  /** All that hold a lease, this one included, by age. Rejects while Redis is away. */
  async list(options?: Signalled): Promise<readonly FleetInstance[]> {
    const { fleet, self } = this.#init;
    const own: FleetInstance = { id: self, ...this.#description() };
    if (fleet === undefined) return [own];
    const others = (await fleet.members(options))
      .filter(({ id }) => id !== self)
      .map(({ id, description }): FleetInstance => ({ ...(description as Partial<Description>), id }));
    return [own, ...others].sort((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0) || (a.id < b.id ? -1 : 1));
  }

  #description(): Description {
    const { version, lifecycle, startedAt, connections } = this.#init;
    const { state } = lifecycle;
    return { version, host: this.#host, pid: process.pid, startedAt, state, connections: connections() };
  }
}
