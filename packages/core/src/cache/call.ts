import type { RequestContext } from '../kernel/context.js';
import { emptyToken, isEmptyToken, type Token } from '../kernel/token.js';
import type { GetOrLoadManyOptions, GetOrLoadOptions, Loader, SetOptions } from './api.js';
import type { Batch } from './batch.js';
import type { Landing } from './flight.js';
import { asGranted, type Lifetime, lifetimeOf } from './lifetime.js';
import type { LoadChain } from './load-chain.js';
import { LoadRecord } from './load-record.js';
import { checkTags } from './names.js';

/** One value that is wanted and that no local one could answer: by itself, or as one of a batch. */
export type Call = Wish & (Alone | InBatch);

interface Alone {
  readonly load: Loader<unknown>;
  readonly batch?: undefined;
}

interface InBatch {
  readonly load?: undefined;
  readonly batch: Batch;
}

interface Wish {
  readonly key: string;
  /** Its key among them. */
  readonly tags: readonly string[];
  /** Those that only the value can tell. */
  readonly tagsOf?: ((value: unknown) => readonly string[]) | undefined;
  readonly lifetime: Lifetime;
  /** For how long a loaded value is kept, where that is up to the value. */
  readonly lifetimeOf?: ((value: unknown) => Lifetime) | undefined;
  /** Whether who finds the value past its time replaces it himself. */
  readonly isReplacing?: boolean | undefined;
  readonly context: RequestContext;
  readonly signal: AbortSignal | undefined;
}

/** How parts of the cache ask it for many values. */
export interface ManyTerms<T> extends GetOrLoadManyOptions<T> {
  /** Tags that the key of each value tells before it is there. */
  readonly namedBy?: ((key: string) => readonly string[]) | undefined;
}

/** How parts of the cache put values into it. */
export interface SetTerms extends SetOptions {
  /** Tags of what the value makes old beside its key. */
  readonly replaces?: readonly string[] | undefined;
}

/** What the value of a call says of itself, how long it is kept and served, and who replaces it then. */
export function termsOf<T>(
  { lifetimeOf: ownOf, replacedBy, tags }: GetOrLoadOptions<T>,
  lifetime: Lifetime,
): Pick<Wish, 'lifetime' | 'lifetimeOf' | 'isReplacing' | 'tagsOf'> {
  const tagsOf = typeof tags === 'function' ? (value: unknown) => checkTags(tags(value as T)) : undefined;
  if (ownOf === undefined) return { lifetime, tagsOf, isReplacing: replacedBy === 'caller' };
  const stored = (value: unknown): Lifetime =>
    value === undefined || value === null
      ? lifetime
      : lifetimeOf('getOrLoad.lifetimeOf', ownOf(value as T), lifetime);
  return { lifetime: asGranted(lifetime), lifetimeOf: stored, tagsOf, isReplacing: replacedBy === 'caller' };
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
  const { load } = context;
  if (load !== undefined && load instanceof LoadRecord) load.include(tags, seen);
  if (seen !== emptyToken && !isEmptyToken(seen)) context.observe(seen);
}

/** The call of a loader that a context belongs to, while somebody waits for it. */
export function chainAround({ load }: RequestContext): LoadChain | undefined {
  const chain = load instanceof LoadRecord ? load.chain : undefined;
  return chain?.isRunning ? chain : undefined;
}

/** Tells the load that runs in a context, if any, that something went into it that may not be stored. */
export function taint({ load }: RequestContext): void {
  if (load instanceof LoadRecord) load.taint();
}
