import type { RequestContext } from '../kernel/context.js';
import type { AdmissionPermit, RequestPriority } from '../overload/index.js';
import type { Exchange } from './exchange.js';
import type { RequestRecord } from './request-metrics.js';

/** What a request was admitted as. */
export interface HeldAdmission {
  readonly priority: RequestPriority;
  readonly group: string | undefined;
  readonly permit: AdmissionPermit;
}

/**
 * Under which a request carries its visits: a `WeakMap` of requests would make every collection of garbage longer. Whoever makes
 * messages of a class of their own gives it a place.
 */
export const visitKey: unique symbol = Symbol('pando.visit');

/** One request on its way through a door. */
export interface Visit {
  /** Where it entered. */
  readonly door: object;
  /** Its visit to another door: there may be several kits in one application. */
  readonly before: Visit | undefined;
  readonly exchange: Exchange;
  /** In which its code runs. While its answer is recorded for the cache it is another one, derived from the first. */
  context: RequestContext;
  readonly record: RequestRecord;
  /** Leave to be answered, while it is; undefined where nobody asks for it. */
  admission: HeldAdmission | undefined;
  /** Whether its answer is recorded for the cache: a cache behind the first would wait for itself. */
  isRecorded: boolean;
  /** Settles when it is known what the client has seen; undefined when it is. Never rejects. */
  ready: Promise<void> | undefined;
}
