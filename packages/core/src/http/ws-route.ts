import type { IncomingMessage } from 'node:http';
import { PandoOptionsError } from '../kernel/errors.js';
import { readOptions } from '../kernel/options.js';
import type {
  ChannelAction,
  Introduction,
  Overrun,
  Permission,
  SocketConnection,
} from '../realtime/index.js';
import type { AllowedOrigins } from './origin.js';
import { type PathParams, type PathTemplate, parsePathTemplate } from './path-template.js';
import { checkWsLimits, type WsLimits } from './ws-limits.js';

/** A client in `raw` mode that has sent more than it may. */
export interface WsOverrun<Identity> extends Overrun {
  readonly params: PathParams;
  readonly identity: Identity;
  readonly connection: SocketConnection;
}

/** One message of a client in `raw` mode. */
export interface WsMessage<Identity> {
  readonly data: string;
  readonly params: PathParams;
  readonly identity: Identity;
  readonly connection: SocketConnection;
}

/** A path on which WebSocket connections are accepted. */
export interface WsRoute<Identity = unknown> {
  /** `/ws`, or with parameters `/rooms/:id/ws`. */
  readonly path: string;
  /**
   * Says who connects, before the handshake is answered; `undefined` refuses with 401, an error with a `status` of 400
   * to 499 with that. Runs in the context of the request. Left out: everyone may connect.
   */
  authenticate?(
    request: IncomingMessage,
    options: { readonly params: PathParams; readonly ip: string; readonly signal: AbortSignal },
  ): Identity | undefined | Promise<Identity | undefined>;
  /**
   * Asked before each subscription, publish and look at who is present that a client wants; `undefined` to `presence` lets
   * those who may subscribe.
   *
   * @defaultValue everything is refused
   */
  authorize?(identity: Identity, channel: string, action: ChannelAction): Permission | Promise<Permission>;
  /**
   * Until when an identity holds, in milliseconds of the epoch: the `exp` of a token, say, in seconds, times 1,000. A client that
   * has handed in nothing fresh a few seconds later is closed with 4401; without `refresh`, at once. `undefined`: for ever.
   */
  expiresAt?(identity: Identity): number | undefined;
  /**
   * Takes the fresh credential that a `pando.v1` client hands in with `{"t":"auth"}`, and says who it is of; `undefined`
   * refuses, and so does another user than before, unless that was nobody: `authenticate` may let in who will say so here. What the client follows is asked of `authorize` and `channels` again.
   *
   * @defaultValue everything is refused
   */
  refresh?(
    credential: string,
    options: { readonly identity: Identity; readonly params: PathParams; readonly signal: AbortSignal },
  ): Identity | undefined | Promise<Identity | undefined>;
  /**
   * `pando.v1`: subscriptions, resume and acknowledgements in JSON frames. `raw`: each event is one message.
   *
   * @defaultValue `'pando.v1'`
   */
  readonly protocol?: 'pando.v1' | 'raw' | undefined;
  /** Channels that a connection follows from the start. */
  channels?(options: { readonly params: PathParams; readonly identity: Identity }): readonly string[];
  /**
   * Says as whom a client is present on a channel: `undefined` for one that is counted without a name, `false` for not at
   * all. Asked for each of the channels that it follows from the start, and, in `pando.v1`, for those that it subscribes
   * to with `presence: true`. Left out: on the latter, counted without a name.
   */
  presence?(options: {
    readonly identity: Identity;
    readonly params: PathParams;
    readonly channel: string;
  }): Introduction | Promise<Introduction>;
  /** Receives what a client in `raw` mode sends, one message at a time, in a context that has seen what the connection has. */
  onMessage?(message: WsMessage<Identity>): void | Promise<void>;
  /**
   * Policies of `pando.limits` by name: for `connections` of an address, for `messages` and `publishes` of whom `key` says.
   */
  readonly limits?: WsLimits<Identity> | undefined;
  /**
   * Tells a client in `raw` mode in its own language that it sends more than it may, by `limits` or by `realtime.maxMessagesPerSecond`: once a
   * second at most. In `pando.v1` an error frame does.
   */
  onLimited?(overrun: WsOverrun<Identity>): void;
  /** Pages that may connect: origins such as `https://app.example.com`. @defaultValue those of the same host */
  readonly origins?: AllowedOrigins | undefined;
  /** A larger message closes the connection with 1009. @defaultValue `65_536` */
  readonly maxMessageBytes?: number | undefined;
}

/** The defaults of {@link WsRoute}. */
export const wsRouteDefaults = Object.freeze({ protocol: 'pando.v1' as const, maxMessageBytes: 65_536 });

const wsHooks = [
  'authenticate',
  'authorize',
  'expiresAt',
  'refresh',
  'channels',
  'presence',
  'onMessage',
  'onLimited',
] as const;

/** A route that was checked. */
export interface ResolvedWsRoute {
  readonly route: WsRoute;
  readonly template: PathTemplate;
  readonly protocol: 'pando.v1' | 'raw';
  readonly maxMessageBytes: number;
}

/** Checks one route or a list of them; throws {@link PandoOptionsError}. */
export function resolveWsRoutes(
  routes: WsRoute | readonly WsRoute[] | undefined,
): readonly ResolvedWsRoute[] {
  if (routes === undefined) return [];
  const resolved = Array.isArray(routes)
    ? routes.map((route, index) => resolveWsRoute(route, `http.ws[${index}]`))
    : [resolveWsRoute(routes as WsRoute, 'http.ws')];
  const paths = resolved.map(({ template }) => template.source);
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined) {
    throw new PandoOptionsError({
      code: 'PANDO_HTTP_OPTIONS',
      message: `ws names the path "${twice}" twice. Give each path one route.`,
    });
  }
  return resolved;
}

function resolveWsRoute(route: WsRoute, at: string): ResolvedWsRoute {
  const reader = readOptions(at, route);
  const path = reader.string('path', '');
  if (path === '') reader.fail('path', 'a path such as "/ws"');
  for (const hook of wsHooks) reader.fn(hook, undefined);
  const protocol = reader.oneOf('protocol', ['pando.v1', 'raw'], wsRouteDefaults.protocol);
  const maxMessageBytes = reader.bytes('maxMessageBytes', wsRouteDefaults.maxMessageBytes);
  checkWsLimits(reader);
  const origins = reader.any('origins');
  const listed = Array.isArray(origins) && origins.every((origin) => typeof origin === 'string');
  if (origins !== undefined && origins !== '*' && typeof origins !== 'function' && !listed) {
    reader.fail('origins', 'a list of origins such as "https://app.example.com", "*", or a function');
  }
  reader.done();
  return { route, template: parsePathTemplate(path), protocol, maxMessageBytes };
}
