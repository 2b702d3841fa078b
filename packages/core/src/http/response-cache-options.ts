import type { LifetimeOptions } from '../cache/index.js';
import { type OptionsReader, readOptions } from '../kernel/options.js';

/** How the answers of a route are cached. */
export interface ResponseCacheOptions<Request = unknown> {
  /** How long an answer may be served. An `s-maxage` of its own counts before this. @defaultValue that of the kit's cache */
  readonly ttlMs?: number | undefined;
  /**
   * After that, how long it is still served at once, while one request in the fleet waits for the handler's new answer. A
   * `stale-while-revalidate` of its own counts before this. @defaultValue that of the kit's cache
   */
  readonly staleMs?: number | undefined;
  /**
   * After `ttlMs`, how long it may be served instead of a failure of the handler: 500, 502, 503 or 504. A `stale-if-error` of
   * its own counts before this. @defaultValue as `staleMs`
   */
  readonly staleIfErrorMs?: number | undefined;
  /**
   * What the answer depends on: invalidating any of them makes it unusable. The tags of everything that the handler takes
   * from `pando.cache` count by themselves.
   */
  readonly tags?: readonly string[] | ((request: Request) => readonly string[]) | undefined;
  /**
   * For whom an answer is: `'public'` when everybody gets the same, or who asks, so that each gets their own; `undefined`
   * for those who have no identity.
   *
   * Left out, requests with an `Authorization` header or with cookies, other than the kit's own, pass the cache by.
   */
  readonly identity?:
    | 'public'
    | ((request: Request) => string | undefined | Promise<string | undefined>)
    | undefined;
  /** Request headers that make a difference, beside those that the answer names in `Vary` itself. */
  readonly vary?: readonly string[] | undefined;
  /**
   * Query parameters that make a difference; the others, such as those that count campaigns, do not. Names that are not
   * plain, as `a[]` and `%61`, always do. @defaultValue all
   */
  readonly query?: readonly string[] | undefined;
  /** Statuses that are stored, of 200, 203, 204, 301, 308, 404 and 410. @defaultValue `[200]` */
  readonly statuses?: readonly number[] | undefined;
  /** Longer bodies pass through, and are not stored. @defaultValue `1_048_576` */
  readonly maxBodyBytes?: number | undefined;
  /**
   * Whether stored answers of text are sent compressed with Brotli or gzip, whichever the client can decode. Each form is
   * made once and stored; middleware that compresses leaves them alone. @defaultValue `false`
   */
  readonly compress?: boolean | undefined;
  /**
   * How long browsers may use an answer without asking. They learn of no invalidation: until then a client may be shown
   * the past, its own writes included. @defaultValue not at all: they ask every time, and are told 304
   */
  readonly maxAgeMs?: number | undefined;
  /** The same for caches between browser and server, where `identity` is `'public'`. @defaultValue not at all */
  readonly sharedMaxAgeMs?: number | undefined;
  /** Whether answers name their `tags` in a `Surrogate-Key` header, for a CDN that can be purged by them. @defaultValue `false` */
  readonly surrogateKey?: boolean | undefined;
  /** The same in a `Cache-Tag` header. @defaultValue `false` */
  readonly cacheTag?: boolean | undefined;
  /** Whether answers say in a `Cache-Status` header where they come from, or why not from the cache. @defaultValue `true` */
  readonly cacheStatus?: boolean | undefined;
  /**
   * Whether a request's own `Cache-Control` counts: `no-cache` and `no-store` get past the cache, `max-age` past what is older.
   * @defaultValue `false`
   */
  readonly heedRequest?: boolean | undefined;
}

/** The defaults. */
export const responseCacheDefaults = Object.freeze({
  statuses: Object.freeze([200]),
  maxBodyBytes: 1_048_576,
  compress: false,
  surrogateKey: false,
  cacheTag: false,
  cacheStatus: true,
  heedRequest: false,
});

/** Statuses whose answers may be used again without being told so (RFC 9110, 15.1), as far as a handler's own go. */
const reusable: readonly number[] = [200, 203, 204, 301, 308, 404, 410];

/** Options with every default filled in. */
export interface ResolvedResponseCacheOptions<Request> {
  /** Undefined fields are as the kit's cache has them. */
  readonly lifetime: Pick<LifetimeOptions, 'ttlMs' | 'staleMs' | 'staleIfErrorMs'>;
  tagsOf(request: Request): readonly string[];
  readonly identity: Exclude<ResponseCacheOptions<Request>['identity'], undefined> | 'anonymous';
  readonly vary: readonly string[];
  readonly query: ReadonlySet<string> | undefined;
  readonly statuses: readonly number[];
  readonly maxBodyBytes: number;
  readonly compress: boolean;
  /** What is said to browsers and other caches where the application says nothing itself. */
  readonly cacheControl: string;
  readonly surrogateKey: boolean;
  readonly cacheTag: boolean;
  readonly cacheStatus: boolean;
  readonly heedRequest: boolean;
}

/** Checks the options; throws `PandoOptionsError`. */
export function resolveResponseCacheOptions<Request>(
  options: ResponseCacheOptions<Request> | undefined,
): ResolvedResponseCacheOptions<Request> {
  const reader = readOptions('http.cache', options);
  const identity = reader.any('identity');
  if (identity !== undefined && identity !== 'public' && typeof identity !== 'function') {
    reader.fail('identity', '"public", or a function of the request');
  }
  const statuses = reader.any('statuses', responseCacheDefaults.statuses);
  if (!Array.isArray(statuses) || !statuses.every((status) => reusable.includes(status))) {
    reader.fail('statuses', `a list of some of ${reusable.join(', ')}`);
  }
  const resolved = {
    lifetime: {
      ttlMs: reader.ms('ttlMs', undefined),
      staleMs: reader.ms('staleMs', undefined, { min: 0 }),
      staleIfErrorMs: reader.ms('staleIfErrorMs', undefined, { min: 0 }),
    },
    tagsOf: readTags<Request>(reader),
    identity: (identity ?? 'anonymous') as ResolvedResponseCacheOptions<Request>['identity'],
    vary: readVary(reader),
    query: readQuery(reader),
    statuses: statuses as readonly number[],
    maxBodyBytes: reader.bytes('maxBodyBytes', responseCacheDefaults.maxBodyBytes),
    compress: reader.boolean('compress', responseCacheDefaults.compress),
    cacheControl: readCacheControl(reader, identity === 'public'),
    surrogateKey: reader.boolean('surrogateKey', responseCacheDefaults.surrogateKey),
    cacheTag: reader.boolean('cacheTag', responseCacheDefaults.cacheTag),
    cacheStatus: reader.boolean('cacheStatus', responseCacheDefaults.cacheStatus),
    heedRequest: reader.boolean('heedRequest', responseCacheDefaults.heedRequest),
  };
  reader.done();
  return resolved;
}

function readTags<Request>(reader: OptionsReader): (request: Request) => readonly string[] {
  const tags = reader.any('tags', []);
  if (typeof tags === 'function') return tags as (request: Request) => readonly string[];
  return isTexts(tags) ? () => tags : reader.fail('tags', 'a list of texts, or a function');
}

function readVary(reader: OptionsReader): readonly string[] {
  const vary = reader.any('vary', []);
  const isNames = isTexts(vary) && vary.every((name) => /^[\w!#$%&'+.^`|~-]+$/.test(name));
  return isNames
    ? vary.map((name) => name.toLowerCase())
    : reader.fail('vary', 'a list of names of request headers');
}

function readQuery(reader: OptionsReader): ReadonlySet<string> | undefined {
  const query = reader.any('query');
  if (query === undefined) return undefined;
  return isTexts(query) ? new Set(query) : reader.fail('query', 'a list of names of query parameters');
}

/** Browsers and other caches hear of no invalidation, so they must ask, unless the application has said otherwise. */
function readCacheControl(reader: OptionsReader, isPublic: boolean): string {
  const seconds = (key: string): string => String(Math.floor(reader.ms(key, 0, { min: 1_000 }) / 1_000)); // never longer than asked for
  const own = reader.any('maxAgeMs') === undefined ? undefined : seconds('maxAgeMs');
  const shared = reader.any('sharedMaxAgeMs') === undefined ? undefined : seconds('sharedMaxAgeMs');
  if (shared !== undefined && !isPublic) {
    reader.fail('sharedMaxAgeMs', 'left out unless identity is "public"');
  }
  const scope = isPublic ? 'public' : 'private';
  if (shared !== undefined) return `${scope}, max-age=${own ?? 0}, s-maxage=${shared}`;
  return own === undefined ? `${scope}, no-cache` : `${scope}, max-age=${own}`;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
