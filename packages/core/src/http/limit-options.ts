import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { Policy } from '../limits/index.js';

/**
 * Whom to count: a name of your own, or who it is by type, as in `{ user: 'ann' }`, `{ apiKey }` or `{ tenant, user }`. Those of
 * one type are never taken for another's, nor for an address. An `apiKey` is stored as its hash. Parts that are undefined
 * are left out.
 */
export type LimitKey = string | Readonly<Record<string, string | undefined>>;

/**
 * Who is counted, how much a request costs, and which tier holds for it.
 *
 * Functions that throw or reject do not fail the request: what the policy says for `onUnavailable` holds then. With `local`,
 * and where they answer with what is no key, cost or tier, the address is counted for a key, 1 for a cost, and the default
 * for a tier.
 */
export interface LimitOptions<Request = unknown> {
  /** Whom to count; `undefined`, or no part that is defined, counts the client's address. @defaultValue the client's address */
  readonly key?: ((request: Request) => LimitKey | undefined | Promise<LimitKey | undefined>) | undefined;
  /** A whole number of at least 1. @defaultValue `1` */
  readonly cost?: number | ((request: Request) => number | Promise<number>) | undefined;
  /** Of the policy's tiers; `undefined` is the first. @defaultValue the first */
  readonly tier?:
    | string
    | ((request: Request) => string | undefined | Promise<string | undefined>)
    | undefined;
}

/** Checks what a route says beside the name of its policy, as far as there is one of that name; throws `PandoOptionsError`. */
export function checkLimitOptions(
  options: unknown,
  policy: Pick<Policy, 'tiers'> | undefined,
  beside: readonly string[] = [],
): void {
  const reader = readOptions('http.limit', options);
  for (const key of beside) reader.any(key);
  reader.fn('key', undefined);
  const cost = reader.any('cost');
  if (typeof cost !== 'function' && cost !== undefined && !isCost(cost))
    reader.fail('cost', 'a positive whole number, or a function');
  const tier = reader.any('tier');
  if (policy !== undefined && typeof tier !== 'function') checkTier(reader, policy);
  reader.done();
}

function checkTier(reader: OptionsReader, { tiers }: Pick<Policy, 'tiers'>): void {
  if (tiers !== undefined) reader.oneOf('tier', [...tiers.keys()], undefined);
  else if (reader.any('tier') !== undefined) reader.fail('tier', 'left out: the policy has no tiers');
}

/** Whether something can be spent. */
export const isCost = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1;
