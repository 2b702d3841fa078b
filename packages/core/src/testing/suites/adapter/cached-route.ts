import type { ResponseCacheOptions } from '../../../http/index.js';
import { get, type RunningApp } from './app.js';
import type { SuiteAnswer, SuiteRequest, SuiteRoute } from './harness.js';

/** What a cached route says of itself. */
export type CacheOptions = ResponseCacheOptions<SuiteRequest>;

/** A cached route whose answers tell how often its handler has run. */
export function counted(
  options: CacheOptions = {},
  answer: (request: SuiteRequest) => SuiteAnswer | Promise<SuiteAnswer> = () => ({}),
): SuiteRoute & { readonly runs: () => number } {
  let runs = 0;
  const route = get(
    '/page',
    async (request) => {
      const body = `run ${++runs}`;
      return { body, ...(await answer(request)) };
    },
    { cache: options },
  );
  return { ...route, runs: () => runs };
}

/** The body of an answer. */
export const text = async (response: Response | Promise<Response>): Promise<string> =>
  (await response).text();

/** What the cache says of its part in an answer. */
export const partOf = (response: Response): string | null => response.headers.get('cache-status');

/** How many requests were hits, misses, and none of the cache's. */
export const outcomes = async (app: RunningApp): Promise<readonly number[]> =>
  Promise.all(
    ['hit', 'miss', 'bypass'].map(
      async (outcome) => (await app.metric('pando_http_cache_requests_total', { outcome })) ?? 0,
    ),
  );

/** The options of a cached route for a framework whose requests are others. */
export function cacheOptionsFor<Request>(
  { tags, identity, ...rest }: CacheOptions,
  requestOf: (request: Request) => SuiteRequest,
): ResponseCacheOptions<Request> {
  return {
    ...rest,
    tags: typeof tags === 'function' ? (request) => tags(requestOf(request)) : tags,
    identity: typeof identity === 'function' ? (request) => identity(requestOf(request)) : identity,
  };
}
