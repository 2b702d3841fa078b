import type { RequestContext } from '../../kernel/context.js';
import type { Socket } from '../../kernel/outlet.js';
import type { Refreshed, SocketConnection } from '../../realtime/index.js';
import type { Client } from '../clients.js';
import type { Kit } from '../kit.js';
import type { PathParams } from '../path-template.js';
import type { WsLimiter } from '../ws-limits.js';
import type { ResolvedWsRoute, WsOverrun, WsRoute } from '../ws-route.js';

/** What is known of a client when its handshake is accepted. */
export interface Handshake {
  readonly context: RequestContext;
  readonly params: PathParams;
  readonly identity: unknown;
  readonly expiresAt: number | undefined;
  readonly channels: readonly string[];
  readonly client: Client;
  readonly askedAt: number;
}

/** The application's side of one connection: everything it runs there sees what the connection has seen and written so far. */
class SocketVisit {
  readonly #kit: Kit;
  readonly #gone = new AbortController();
  /** Has seen all that the connection has. */
  readonly #session: RequestContext;
  #calls = 0;

  constructor(kit: Kit, { context }: Handshake) {
    this.#kit = kit;
    this.#session = kit.kernel.contexts.open({
      id: context.id,
      signal: this.#gone.signal,
      token: context.token,
    });
  }

  /** Runs a call of the application in a context of its own: what was trusted at the handshake may be out of date by now. */
  async run<T>(call: () => T | Promise<T>): Promise<T> {
    const { contexts } = this.#kit.kernel;
    const { id, signal, token } = this.#session;
    const context = contexts.open({ id: `${id}/${++this.#calls}`, signal, token });
    try {
      return await contexts.run(context, call);
    } finally {
      this.#session.observe(context.token);
    }
  }

  end(): void {
    this.#gone.abort();
  }
}

/** Hands accepted WebSockets to `pando.realtime`. */
export class WsHandler {
  readonly #kit: Kit;
  readonly #open = new Set<SocketConnection>();

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  /** Serves a socket. Call what this returns once it has closed. */
  open(
    socket: Socket,
    { route, protocol, limiter }: ResolvedWsRoute & { readonly limiter: WsLimiter },
    handshake: Handshake,
  ): () => void {
    const { params, identity, channels, expiresAt, client, askedAt } = handshake;
    const visit = new SocketVisit(this.#kit, handshake);
    const connection = this.#kit.realtime.openSocket(socket, {
      identity,
      protocol,
      channels,
      expiresAt,
      address: client.key,
      askedAt,
      spend: limiter.asks
        ? (what, who) => limiter.spend(what, { identity: who, params, ip: client.ip }, client.key)
        : undefined,
      onLimited:
        route.onLimited &&
        ((overrun, sender) => this.#tell(route, { ...overrun, params, identity, connection: sender })),
      refresh:
        route.refresh &&
        ((credential, who) => visit.run(() => this.#refresh(route, credential, who, params))),
      authorize:
        route.authorize &&
        ((who, channel, action) => visit.run(() => route.authorize?.(who, channel, action))),
      presence:
        route.presence &&
        ((who, channel) => visit.run(() => route.presence?.({ identity: who, params, channel }))),
      onMessage:
        route.onMessage &&
        ((data, sender) =>
          visit.run(() => route.onMessage?.({ data, params, identity, connection: sender }))),
    });
    this.#open.add(connection);
    return () => {
      this.#open.delete(connection);
      visit.end();
    };
  }

  #tell(route: WsRoute, overrun: WsOverrun<unknown>): void {
    try {
      route.onLimited?.(overrun);
    } catch (cause) {
      this.#kit.kernel.logger.error({ err: cause }, 'onLimited failed.');
    }
  }

  async #refresh(
    route: ResolvedWsRoute['route'],
    credential: string,
    who: unknown,
    params: PathParams,
  ): Promise<Refreshed | undefined> {
    const { signal } = this.#kit.kernel.contexts.current();
    const identity = await route.refresh?.(credential, { identity: who, params, signal });
    if (identity === undefined) return undefined;
    return {
      identity,
      expiresAt: route.expiresAt?.(identity),
      channels: route.channels?.({ params, identity }),
    };
  }

  /** Tells all clients to come back, to another instance. */
  closeAll(): void {
    for (const connection of this.#open) connection.close(1012, 'restart');
  }
}
