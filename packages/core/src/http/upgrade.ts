import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import { abortable, deadline } from '../kernel/abort.js';
import { isPandoError } from '../kernel/errors.js';
import type { CounterCell } from '../kernel/meter.js';
import type { Applicant } from '../realtime/index.js';
import type { Client } from './clients.js';
import { StreamRefusedError } from './errors.js';
import type { AdmissionHandler } from './handlers/admission.js';
import type { Handshake, WsHandler } from './handlers/ws.js';
import { requestId } from './headers.js';
import type { ArrivingRequest } from './http-options.js';
import type { Kit } from './kit.js';
import { httpInstruments } from './metrics.js';
import { originAllowed } from './origin.js';
import type { PathParams } from './path-template.js';
import { type Problem, problemOf } from './problem.js';
import type { HttpServer } from './server-guard.js';
import type { StreamGate } from './stream-gate.js';
import type { TokenTransport } from './token-transport.js';
import { WsLimiter } from './ws-limits.js';
import type { ResolvedWsRoute } from './ws-route.js';
import { WsSocket } from './ws-socket.js';

/** How long `authenticate` may take: whoever waits holds a socket that nothing else bounds. */
const handshakeTimeoutMs = 10_000;

/** A route with the part of `ws` that speaks its protocol. */
interface Entrance extends ResolvedWsRoute {
  readonly server: WebSocketServer;
  readonly limiter: WsLimiter;
}

/**
 * Accepts WebSocket handshakes on its own paths, and leaves all others to whoever else listens.
 *
 * Everything that can refuse does so before the handshake is answered, with a plain HTTP answer.
 */
export class UpgradeHandler {
  readonly #kit: Kit;
  readonly #tokens: TokenTransport;
  readonly #handler: WsHandler;
  readonly #gate: StreamGate;
  readonly #admissions: AdmissionHandler;
  readonly #entrances: readonly Entrance[];
  /** Throws for whom nobody lets in. */
  readonly #whoIs: (request: IncomingMessage) => Client;

  constructor(
    kit: Kit,
    tokens: TokenTransport,
    handler: WsHandler,
    gate: StreamGate,
    admissions: AdmissionHandler,
    routes: readonly ResolvedWsRoute[],
    whoIs: (request: IncomingMessage) => Client,
  ) {
    this.#kit = kit;
    this.#tokens = tokens;
    this.#handler = handler;
    this.#gate = gate;
    this.#admissions = admissions;
    this.#whoIs = whoIs;
    this.#entrances = routes.map((route) => ({
      ...route,
      server: this.#createServer(route),
      limiter: new WsLimiter(kit.limits, route.route.limits),
    }));
  }

  /** Begins to listen. Disposing stops that; open connections stay open. */
  attach(server: HttpServer): Disposable {
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const [path = '/'] = (request.url ?? '/').split('?', 1);
      for (const entrance of this.#entrances) {
        const params = entrance.template.match(path);
        if (params !== undefined) return void this.#enter(request, socket, head, entrance, params);
      }
      // Nobody would ever answer it.
      if (server.listenerCount('upgrade') === 1) refuse(socket, { status: 404, headers: {}, body: '' });
    };
    server.on('upgrade', onUpgrade);
    return { [Symbol.dispose]: () => void server.off('upgrade', onUpgrade) };
  }

  async #enter(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    entrance: Entrance,
    params: PathParams,
  ): Promise<void> {
    // While the application thinks, nobody else listens: an error of the socket must not end the process.
    const gone = new AbortController();
    const onGone = (): void =>
      gone.abort(new StreamRefusedError(499, 'The client went away during the handshake.'));
    socket.on('error', onGone).on('close', onGone);
    let handshake: Handshake;
    try {
      handshake = await this.#admit(request, entrance, params, gone.signal);
    } catch (cause) {
      const problem = this.#problemOf(cause);
      this.#count(entrance, problem.status).add();
      refuse(socket, {
        ...problem,
        headers: { ...problem.headers, 'x-pando-instance': this.#kit.instanceId },
      });
      return;
    } finally {
      socket.off('close', onGone);
    }
    entrance.server.handleUpgrade(request, socket, head, (ws) => {
      socket.off('error', onGone); // ws has its own by now
      this.#count(entrance, 101).add();
      this.#serve(ws, socket, entrance, handshake);
    });
  }

  /** Decides who comes in; throws what to refuse with. */
  async #admit(
    request: IncomingMessage,
    { route, limiter }: Entrance,
    params: PathParams,
    gone: AbortSignal,
  ): Promise<Handshake> {
    const { headers } = request;
    const client = this.#whoIs(request);
    const { ip, key: address } = client;
    this.#check({ address });
    if (!originAllowed(headers.origin, headers.host, route.origins)) {
      throw new StreamRefusedError(403, 'Pages of this origin may not connect.');
    }
    using _admission = this.#admissions.admitHandshake(arriving(request, ip));
    await limiter.connect(client, gone);
    const { contexts, clock } = this.#kit.kernel;
    const askedAt = clock.monotonic();
    using limit = deadline(
      clock,
      handshakeTimeoutMs,
      () => new StreamRefusedError(503, `The handshake took longer than ${handshakeTimeoutMs} ms.`),
      gone,
    );
    const { signal } = limit;
    const context = contexts.open({ id: requestId(headers), signal, token: this.#tokens.read(headers) });
    return await contexts.run(context, async () => {
      const identity = await abortable(
        Promise.resolve(route.authenticate?.(request, { params, ip, signal })),
        signal,
      );
      if (route.authenticate !== undefined && identity === undefined) {
        throw new StreamRefusedError(401, 'Sign in to connect.');
      }
      const expiresAt = route.expiresAt?.(identity);
      if (expiresAt !== undefined && expiresAt <= clock.now()) {
        throw new StreamRefusedError(401, 'What you signed in with has expired. Sign in again to connect.');
      }
      const channels = route.channels?.({ params, identity }) ?? [];
      this.#check({ channels, identity, address }); // also whether the server has begun to close meanwhile
      return { context, params, identity, expiresAt, channels, client, askedAt };
    });
  }

  #check(applicant: Applicant): void {
    const refusal = this.#gate.refusal(applicant);
    if (refusal !== undefined) throw refusal;
  }

  #serve(ws: WebSocket, stream: Duplex, entrance: Entrance, handshake: Handshake): void {
    ws.once('close', this.#handler.open(new WsSocket(ws, stream), entrance, handshake));
  }

  #createServer({ protocol, maxMessageBytes }: ResolvedWsRoute): WebSocketServer {
    const server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false, // costs more memory per connection than the connection itself
      maxPayload: maxMessageBytes,
      handleProtocols: (offered) =>
        protocol === 'raw' ? (offered.values().next().value ?? false) : offered.has(protocol) && protocol,
    });
    server.on('headers', (lines) => lines.push(`x-pando-instance: ${this.#kit.instanceId}`));
    return server;
  }

  #problemOf(cause: unknown): Problem {
    const known = problemOf(cause);
    if (known !== undefined) return known;
    const status = statusOf(cause);
    if (status === 500) this.#kit.kernel.logger.error({ err: cause }, 'A WebSocket handshake failed.');
    return { status, headers: {}, body: '' };
  }

  #count({ template }: Entrance, status: number): CounterCell {
    return this.#kit.kernel.meter.counter(httpInstruments.upgrades, {
      route: template.source,
      status: String(status),
    });
  }
}

/** What is known of a handshake before anything has looked at it. */
function arriving(
  { method = 'GET', url = '/', headers, socket }: IncomingMessage,
  ip: string,
): ArrivingRequest {
  const host = headers.host?.replace(/:\d*$/, '').toLowerCase() ?? '';
  return { method, url, headers, ip, host, secure: (socket as Partial<TLSSocket>).encrypted === true };
}

/** An error of the application may say which refusal it means; anything else is a failure. */
function statusOf(cause: unknown): number {
  const { status, statusCode } = (cause ?? {}) as {
    readonly status?: unknown;
    readonly statusCode?: unknown;
  };
  const meant = status ?? statusCode;
  const refuses = typeof meant === 'number' && meant >= 400 && meant <= 499;
  return refuses || isPandoError(cause) ? ((meant as number | undefined) ?? 500) : 500;
}

/** Answers a handshake in plain HTTP, and ends the connection. */
function refuse(socket: Duplex, { status, headers, body }: Problem): void {
  if (!socket.writable) return void socket.destroy();
  const lines = Object.entries({
    ...headers,
    connection: 'close',
    'content-length': String(Buffer.byteLength(body)),
  });
  // Nobody checks these for us, and a value may come from an error of the application.
  const head = lines.map(([name, value]) => `${name}: ${value.replace(/[\r\n]+/g, ' ')}\r\n`).join('');
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${head}\r\n${body}`);
}
