import { isCodable } from './content-coding.js';
import type { AnswerHeaders, HeaderValues } from './exchange.js';
import type { ResolvedResponseCacheOptions } from './response-cache-options.js';
import { varyNames } from './response-key.js';

/** The options that decide what is said of an answer. */
export type AnswerPolicy = Pick<
  ResolvedResponseCacheOptions<never>,
  'cacheControl' | 'cacheStatus' | 'cacheTag' | 'compress' | 'surrogateKey' | 'vary'
>;

/** What is said of an answer that is or may be stored, as far as the application has not said it. */
export function policyHeaders(
  policy: AnswerPolicy,
  present: HeaderValues,
  tags: readonly string[],
  vary: readonly string[],
): AnswerHeaders {
  return {
    ...(present['cache-control'] === undefined && { 'cache-control': policy.cacheControl }),
    ...varyHeader(present, [
      ...policy.vary,
      ...vary,
      ...(isCoded(policy, present) ? ['accept-encoding'] : []),
    ]),
    ...(tags.length > 0 && tagHeaders(policy, tags)),
  };
}

/** Whether an answer is given to each client in the coding that it likes best. */
export function isCoded({ compress }: Pick<AnswerPolicy, 'compress'>, headers: HeaderValues): boolean {
  return compress && isCodable(headers);
}

/** The tags of an answer in the words of CDNs that purge by them. */
function tagHeaders({ cacheTag, surrogateKey }: AnswerPolicy, tags: readonly string[]): AnswerHeaders {
  const texts = tags.map((tag) => encodeURI(tag).replaceAll(',', '%2C'));
  return {
    ...(surrogateKey && { 'surrogate-key': texts.join(' ') }),
    ...(cacheTag && { 'cache-tag': texts.join(',') }),
  };
}

/** What the cache says of its part in an answer (RFC 9211), behind what caches of the application have said of theirs. */
export function statusHeader(
  { cacheStatus }: Pick<AnswerPolicy, 'cacheStatus'>,
  present: HeaderValues,
  part: string,
): AnswerHeaders {
  if (!cacheStatus) return {};
  return { 'cache-status': [present['cache-status'] ?? [], `pando; ${part}`].flat().join(', ') };
}

/** The `Vary` header with these names in it; nothing where it has them. */
export function varyHeader(present: HeaderValues, names: readonly string[]): AnswerHeaders {
  const known = varyNames(present.vary);
  const missing = [...new Set(names)].filter((name) => !known.includes(name));
  return missing.length === 0 ? {} : { vary: [present.vary ?? [], missing].flat().join(', ') };
}

/**
 * The request headers on which an answer depends: those that it names in `Vary`, and those that it ought to name, since it
 * is in a coding, or says which origin may read it.
 */
export function dependencies(headers: HeaderValues, before: HeaderValues): readonly string[] {
  const own = (name: string): unknown =>
    String(headers[name]) === String(before[name]) ? undefined : headers[name];
  const origin = own('access-control-allow-origin');
  return [
    ...varyNames(headers.vary),
    ...(own('content-encoding') === undefined ? [] : ['accept-encoding']),
    ...(origin === undefined || origin === '*' ? [] : ['origin']),
  ];
}
