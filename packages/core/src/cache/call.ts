import type { RequestContext } from '../kernel/context.js';
import type { Loader } from './api.js';
import type { Landing } from './flight.js';
import { LoadRecord } from './load-record.js';

/** One call of `getOrLoad` that no local value could answer. */
export interface Call {
  readonly key: string;
  /** Its key among them. */
  readonly tags: readonly string[];
  readonly load: Loader<unknown>;
  readonly ttlMs: number;
  readonly context: RequestContext;
  readonly signal: AbortSignal | undefined;
}

/** Gives a loaded value to a caller, and its conditions to the load that the caller is part of. */
export function handOver({ context }: Call, { value, tags, isStorable }: Landing): unknown {
  includeIn(context, tags);
  if (!isStorable) taint(context);
  return value;
}

/** Tells the load that runs in a context, if any, that a usable value with these tags went into it. */
export function includeIn({ load }: RequestContext, tags: readonly string[]): void {
  if (load instanceof LoadRecord) load.include(tags);
}

/** Tells the load that runs in a context, if any, that something went into it that may not be stored. */
export function taint({ load }: RequestContext): void {
  if (load instanceof LoadRecord) load.taint();
}
