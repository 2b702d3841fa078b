import { mergeTokens, type Token } from '../kernel/token.js';

/**
 * What two events have written, the second of which came later.
 *
 * Of two cache epochs the later event's counts: values of the one before are gone, and a token that names both would be one
 * that no cache may answer.
 */
export function laterToken(first: Token, second: Token): Token {
  const { cache } = second;
  const isSame = first.cache.every(({ epoch }) => cache.some((position) => position.epoch === epoch));
  return mergeTokens(isSame || cache.length === 0 ? first : { ...first, cache: [] }, second);
}
