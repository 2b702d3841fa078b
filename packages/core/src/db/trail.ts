import type { PrimaryReason } from './router.js';

/** What a statement is, or is part of. */
export type Operation = 'read' | 'write' | 'transaction';

/** Where a statement was sent: a read to a replica, at once or after waiting for it, or to the primary, and why. */
export type Route = 'replica' | 'waited' | PrimaryReason | 'write';

/** The way of one statement through the room. Whoever sends it on, or makes it wait, leaves a note. */
export class Trail {
  route: Route;
  /** The last server that lent a connection. */
  server: string | undefined = undefined;
  /** For connections. */
  poolWaitMs = 0;
  /** For replicas to catch up. */
  replicaWaitMs = 0;
  /** Places that could not serve it after all. */
  detours = 0;

  constructor(route: Route) {
    this.route = route;
  }

  lent(server: string, waitedMs: number): void {
    this.server = server;
    this.poolWaitMs += waitedMs;
  }
}
