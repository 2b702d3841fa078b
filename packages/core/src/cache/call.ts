import type { RequestContext } from '../kernel/context.js';
import { isEmptyToken, type Token } from '../kernel/token.js';
import type { Loader } from './api.js';
import type { Landing } from './flight.js';
import type { Lifetime } from './lifetime.js';
import { LoadRecord } from './load-record.js';

/** One call of `getOrLoad` that no local value could answer. */
export interface Call {
  readonly key: string;
  /** Its key among them. */
  readonly tags: readonly string[];
  readonly load: Loader<unknown>;
  readonly lifetime: Lifetime;
  readonly context: RequestContext;
  readonly signal: AbortSignal | undefined;
}

/** Gives a loaded value to a caller, and its conditions to the load that the caller is part of. */
export function handOver({ context }: Call, landing: Landing): unknown {
  includeIn(context, landing);
  if (!landing.isStorable) taint(context);
  return landing.value;
}

/** What a usable value brings along. */
interface Conditions {
  readonly tags: readonly string[];
  readonly seen: Token;
}

/** Tells a context, and the load that runs in it, if any, that a usable value went into it. */
export function includeIn(context: RequestContext, { tags, seen }: Conditions): void {
  if (context.load instanceof LoadRecord) context.load.include(tags, seen);
  if (!isEmptyToken(seen)) context.observe(seen);
}

/** Tells the load that runs in a context, if any, that something went into it that may not be stored. */
export function taint({ load }: RequestContext): void {
  if (load instanceof LoadRecord) load.taint();
}
