/** One expiry of a tag. */
export interface Expiry {
  readonly sequence: number;
  /** Epoch ms; bounds for how long values from before are served, and decides nothing else. */
  readonly at: number;
}

/**
 * The expiries of a tag since its last invalidation.
 *
 * Values from before an expiry may still be served to whoever has not seen it; values from before `hard` to nobody.
 */
export interface Expiries {
  /** Sequence of the last invalidation, or of something after it where nobody remembers. */
  readonly hard: number;
  /** In order; at least one. */
  readonly soft: readonly [Expiry, ...Expiry[]];
}

/** Expiries remembered of one tag: the one before counts as an invalidation. */
export const MAX_EXPIRIES = 8;

/** The expiries of a tag with one more, whenever it is heard of. */
export function withExpiry(before: Expiries, expiry: Expiry): Expiries {
  const { hard, soft } = before;
  const isKnown = expiry.sequence <= hard || soft.some(({ sequence }) => sequence === expiry.sequence);
  if (isKnown) return before;
  const all = [...soft, expiry].sort((one, other) => one.sequence - other.sequence);
  const [oldest, ...rest] = all as [Expiry, ...Expiry[]];
  const [second, ...others] = rest;
  if (all.length <= MAX_EXPIRIES || second === undefined) return { hard, soft: [oldest, ...rest] };
  return { hard: oldest.sequence, soft: [second, ...others] };
}

/** The expiries that are left when an invalidation is heard of; undefined when none is. */
export function afterInvalidation({ hard, soft }: Expiries, sequence: number): Expiries | undefined {
  const [first, ...rest] = soft.filter((expiry) => expiry.sequence > sequence);
  return first && { hard: Math.max(hard, sequence), soft: [first, ...rest] };
}

/** The first expiry after `asOf`. */
export function firstExpiry(all: readonly (Expiries | undefined)[], asOf: number): Expiry | undefined {
  const later = all.flatMap((one) => one?.soft.find(({ sequence }) => sequence > asOf) ?? []);
  return later.sort((one, other) => one.sequence - other.sequence)[0];
}

/** Reads `hard sequence:at …` as the scripts write it; undefined for anything else. */
export function parseExpiries(text: string): Expiries | undefined {
  if (!/^\d+( \d+:\d+)+$/.test(text)) return undefined;
  const [hard, ...rest] = text.split(' ');
  const [first, ...others] = rest.map((part) => {
    const [sequence, at] = part.split(':').map(Number);
    return { sequence: sequence as number, at: at as number };
  });
  return first && { hard: Number(hard), soft: [first, ...others] };
}
