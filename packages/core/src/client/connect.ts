import { PandoOptionsError } from '../kernel/errors.js';
import type { ConnectOptions, Live, SocketConstructor } from './api.js';
import { type Environment, findEnvironment } from './environment.js';
import { LiveClient } from './live.js';
import { type LineEvents, Relay } from './relay.js';
import { SeenTokens } from './seen-tokens.js';
import { SseTransport } from './sse-link.js';
import { SharedLine } from './tabs.js';
import { WsTransport } from './ws-link.js';

/**
 * Connects to the channels of a server, and stays connected until it is closed.
 *
 * Over an event stream the route behind the URL decides what there is to hear; over a WebSocket, which speaks `pando.v1`,
 * each subscription is asked for. A URL may be relative to the page; as a function it is asked before each attempt.
 * Costs one connection, and nothing per subscription but what it keeps for tabs and subscriptions that come a little
 * later: 128 messages a channel.
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
export function connect(url: string | URL | (() => string | URL), options: ConnectOptions = {}): Live {
  return connectIn(findEnvironment(), url, options);
}

/** The same, in an environment that a test brings. */
export function connectIn(
  environment: Environment,
  url: string | URL | (() => string | URL),
  {
    name = 'app',
    headers: own = {},
    minDelayMs = 500,
    maxDelayMs = 30_000,
    idleMs = 45_000,
    shareTabs = false,
    credential,
    ...options
  }: ConnectOptions,
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
    throw refused('the URL must be one, and in Node a full one', cause);
  }
  const { fetch = globalThis.fetch.bind(globalThis), WebSocket = globalSocket } = options;
  const { transport = first.protocol.startsWith('ws') ? 'ws' : 'sse' } = options;
  const isOneWay = transport === 'sse';
  if (!isOneWay && WebSocket === undefined) {
    throw refused(
      'there is no global WebSocket here: pass one as the option WebSocket, that of the package ws, say',
    );
  }
  if (!(minDelayMs > 0 && minDelayMs <= maxDelayMs && idleMs > 0)) {
    throw refused(
      'minDelayMs and idleMs must be positive numbers of milliseconds, and maxDelayMs no less than minDelayMs',
    );
  }
  const schemes = isOneWay ? /^ws/ : /^http/;
  const speak = (address: URL): URL => {
    address.protocol = address.protocol.replace(schemes, isOneWay ? 'http' : 'ws');
    return address;
  };
  const tokens = new SeenTokens(name, new URL(first.href.replace(/^ws/, 'http')).origin, fetch);
  const common = {
    environment,
    idleMs,
    url: () => speak(urlOf()),
    headers: (given: string | undefined) => ({
      ...own,
      ...(given === undefined ? {} : { authorization: `Bearer ${given}` }),
    }),
  };
  const open = (events: LineEvents, cursor?: string) =>
    new Relay(
      {
        transport: isOneWay
          ? new SseTransport({ ...common, fetch: tokens.fetch }, cursor)
          : new WsTransport({ ...common, WebSocket: WebSocket as SocketConstructor }),
        environment,
        minDelayMs,
        maxDelayMs,
        credential,
      },
      events,
    );
  const isShared = shareTabs && environment.lock !== undefined;
  const shared = { name: `pando ${name} ${first.href}`, environment, open };
  return new LiveClient({
    environment,
    tokens,
    isOneWay,
    minDelayMs,
    maxDelayMs,
    openLine: (events) => (isShared ? new SharedLine(shared, events) : open(events)),
  });
}

function refused(what: string, cause?: unknown): PandoOptionsError {
  return new PandoOptionsError({ code: 'PANDO_CLIENT_OPTIONS', message: `connect(): ${what}.`, cause });
}
