import { PandoOptionsError } from '../kernel/errors.js';
import type { ConnectOptions, Live, SocketConstructor } from './api.js';
import { ConnectionFailedError } from './errors.js';
import { keepLine, type Line, type LineEvents } from './line.js';
import { createLive } from './live.js';
import { rememberTokens } from './seen-tokens.js';
import { streamsOf } from './sse-link.js';
import { socketsOf } from './ws-link.js';

/**
 * Connects to the channels of a server, and stays connected until it is closed.
 *
 * Over an event stream the route behind the URL decides what there is to hear; over a WebSocket, which speaks `pando.v1`,
 * each subscription is asked for. A URL may be relative to the page; as a function it is asked before each attempt.
 * Costs one connection, however many subscriptions there are.
 *
 * @throws `PandoOptionsError`
 *
 * @example
 * ```ts
 * const live = connect('wss://example.com/ws');
 * live.subscribe<{ title: string }>('posts', {
 *   onMessage: ({ data }) => console.log(data.title),
 *   getState: () => live.fetch('https://example.com/posts'),
 * });
 * ```
 */
export function connect(
  url: string | URL | (() => string | URL),
  {
    name = 'app',
    headers: own = {},
    minDelayMs = 500,
    maxDelayMs = 30_000,
    idleMs = 45_000,
    shareTabs,
    credential,
    ...options
  }: ConnectOptions = {},
): Live {
  const { location, WebSocket: globalSocket } = globalThis as {
    readonly location?: { readonly href: string };
    readonly WebSocket?: SocketConstructor;
  };
  const urlOf = (): URL => new URL(typeof url === 'function' ? url() : url, location?.href);
  let first: URL;
  try {
    first = urlOf();
  } catch (cause) {
    throw needs('a full URL', cause);
  }
  const { href, origin, protocol } = first;
  const { fetch = globalThis.fetch.bind(globalThis), WebSocket = globalSocket } = options;
  const isOneWay = !/^ws/.test(options.transport ?? protocol);
  if (!isOneWay && !WebSocket) throw needs('a WebSocket');
  if (!(minDelayMs > 0 && minDelayMs <= maxDelayMs && idleMs > 0)) {
    throw needs('0 < minDelayMs <= maxDelayMs, 0 < idleMs');
  }
  const address = (): URL => {
    const next = urlOf();
    next.protocol = next.protocol.replace(/^ws|^http/, isOneWay ? 'http' : 'ws');
    return next;
  };
  const headers = (given: string): Record<string, string> => ({
    ...own,
    ...(given && { authorization: `Bearer ${given}` }),
  });
  const tokens = rememberTokens(name, origin.replace(/^ws/, 'http'), fetch);
  const init = {
    isOneWay,
    idleMs,
    credential,
    // Longer after each failure, and from half of that to all of it, so that not everybody comes at once.
    delayMs: (failures: number) =>
      (Math.min(maxDelayMs, minDelayMs * 2 ** failures) * (1 + Math.random())) / 2,
    open: isOneWay
      ? streamsOf(tokens.fetch, address, headers)
      : socketsOf(WebSocket as SocketConstructor, address, headers),
  };
  const openOwn = (events: LineEvents): Line => keepLine(init, events);
  /** What several tabs share is loaded by who wants it, and without it each has its own. */
  const openShared = (events: LineEvents): Promise<Line> =>
    import('./tabs.js').then(
      ({ shareLine }) => shareLine(`pando ${name} ${href}`, init, tokens, openOwn, createLive, events),
      (cause) => {
        events.failed(new ConnectionFailedError('No tabs.js', cause));
        return openOwn(events);
      },
    );
  return createLive({ ...init, openLine: shareTabs ? openShared : openOwn }, tokens);
}

function needs(what: string, cause?: unknown): PandoOptionsError {
  return new PandoOptionsError({ code: 'PANDO_CLIENT_OPTIONS', message: `connect() needs ${what}.`, cause });
}
