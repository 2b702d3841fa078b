import type { IncomingHttpHeaders } from 'node:http';
import type { LimitOptions, ResponseCacheOptions } from '@pando/core/http';
import type { User } from '../auth/user.js';
import { UnauthorizedError } from '../errors.js';

/** What a handler sees of a request, whichever framework received it. */
export interface ApiRequest<Who> {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly headers: IncomingHttpHeaders;
  /** Whether the client speaks TLS. */
  readonly secure: boolean;
  /** The client's. */
  readonly address: string;
  readonly user: Who;
}

/** What a handler answers. Text and bytes are sent as they are, anything else as JSON. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: unknown;
}

interface RouteShape {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** In the notation that Express and Fastify share: `/api/v1/posts/:id`. */
  readonly path: string;
  /** The rate limit to count against: of the user, or of the address of who is not signed in. */
  readonly limit?: LimitName | undefined;
  /** What one request takes of it. @defaultValue `1` */
  readonly cost?: number | undefined;
  /**
   * Its whole answers are cached, for each user where it wants to know who asks; their tags are those of what they are made
   * of. Other parameters of the query than these make no difference.
   */
  readonly cached?: { readonly query: readonly string[] } | undefined;
}

/** The rate limits of the app, see `config.ts`. */
export type LimitName = 'write' | 'signIn' | 'chat';

/** One method on one path, for any framework. Who is asking is found out only where it matters. */
export type Route = RouteShape &
  (
    | { readonly auth?: undefined; handle(request: ApiRequest<undefined>): Answer | Promise<Answer> }
    | { readonly auth: 'optional'; handle(request: ApiRequest<User | undefined>): Answer | Promise<Answer> }
    | { readonly auth: 'required'; handle(request: ApiRequest<User>): Answer | Promise<Answer> }
  );

/** Serves routes under several base paths; each route's own path comes after the base. */
export function mount(bases: readonly string[], routes: readonly Route[]): Route[] {
  return bases.flatMap((base) => routes.map((route) => ({ ...route, path: base + route.path })));
}

/** Whom a route's limit counts, for how much and by which plan, for whichever framework. */
export function limitOf<Request extends { readonly user?: User | undefined }>({
  limit: policy,
  cost,
}: Route): (LimitOptions<Request> & { readonly policy: LimitName }) | undefined {
  if (policy === undefined) return undefined;
  const key = ({ user }: Request) => ({ user: user && String(user.id) });
  return policy === 'write' ? { policy, key, cost, tier: ({ user }) => user?.plan } : { policy, key, cost };
}

/** How the answers of a route are cached, for whichever framework. */
export function cachingOf<Request extends { readonly user?: User | undefined }>({
  auth,
  cached,
}: Route): ResponseCacheOptions<Request> | undefined {
  if (cached === undefined) return undefined;
  const identity = auth === undefined ? 'public' : ({ user }: Request) => user && String(user.id);
  return { ...cached, identity, compress: true };
}

/** Has a route answer, once it is clear that whoever asks may. */
export async function dispatch(route: Route, request: ApiRequest<User | undefined>): Promise<Answer> {
  const answer = await handle(route, request);
  if (route.cached === undefined) return answer;
  // Browsers may keep it as well, and ask each time whether it is still the same: they hear of no invalidation.
  const policy = `${route.auth === undefined ? 'public' : 'private'}, no-cache`;
  return { ...answer, headers: { 'cache-control': policy, ...answer.headers } };
}

function handle(route: Route, request: ApiRequest<User | undefined>): Answer | Promise<Answer> {
  const { user } = request;
  if (route.auth === undefined) return route.handle({ ...request, user: undefined });
  if (route.auth === 'optional') return route.handle(request);
  if (user === undefined) throw new UnauthorizedError('Sign in first.');
  return route.handle({ ...request, user });
}
