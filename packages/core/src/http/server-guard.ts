import type { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2SecureServer, Http2Server, Http2Session } from 'node:http2';
import type { Server as TlsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import type { Signalled } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import { hasConnectionHeader } from './node-response.js';

/** A server of Node that speaks HTTP/1.1 or HTTP/2, with or without TLS. */
export type HttpServer = Server | TlsServer | Http2Server | Http2SecureServer;

type Listener = (...args: unknown[]) => void;

/** How long unused connections stay once no new ones are accepted: a request may be on its way on them. */
const lingerMs = 100;

/**
 * Brings one server to its end without hurting anybody: it stops accepting connections, lets every request finish, and
 * keeps no connection longer than that.
 *
 * Node's own `close()` cuts kept-alive connections under a request that is on its way, and waits without end for
 * streams, for sockets, and for connections that browsers opened in advance.
 */
export class ServerGuard {
  readonly #server: HttpServer;
  /** The same, as all kinds of servers have it. */
  readonly #events: EventEmitter;
  readonly #listeners: [event: string, listener: Listener][] = [];
  readonly #clock: Clock;
  readonly #closed: Promise<void>;
  readonly #sockets = new Set<Socket>();
  /** Connections of HTTP/2. */
  readonly #sessions = new Set<Http2Session>();
  /** Requests that are being answered. */
  readonly #answering = new Set<ServerResponse>();
  #leaving = false;
  #stopping = false;
  #lingered = false;

  constructor(server: HttpServer, clock: Clock) {
    this.#server = server;
    this.#events = server;
    this.#clock = clock;
    this.#closed = new Promise((resolve) => server.once('close', resolve));
    this.#watchConnections();
    this.#watchSessions();
    this.#watchRequests();
  }

  /**
   * Lets each connection go on for one more request, and still accepts new ones, which get one answer each. What idles at a
   * balancer is used up by the time that connections are no longer accepted. Idempotent.
   */
  sendAway(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    for (const response of this.#answering) leave(response);
    for (const session of this.#sessions) session.close(); // once its requests are answered
  }

  /** Accepts no new connection from now on; those that are open go on for one more request. Idempotent. */
  stopAccepting(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    // The method of net: that of http would close idle connections at once.
    NetServer.prototype.close.call(this.#server);
    this.sendAway();
    for (const session of this.#sessions) session.close(); // those that came since
  }

  /**
   * Waits until every connection has ended; when the signal aborts, cuts those that are left. Resolves to the requests that
   * nobody had answered by then, such as `GET /report`.
   */
  async finish({ signal }: Signalled = {}): Promise<readonly string[]> {
    this.stopAccepting();
    const linger = this.#clock.after(lingerMs, () => {
      this.#lingered = true;
      whenRead(() => this.#closeIdle());
    });
    const unanswered: string[] = [];
    const cut = (): void => {
      for (const response of this.#answering) if (!response.writableEnded) unanswered.push(nameOf(response));
      for (const socket of this.#sockets) socket.destroy();
    };
    if (signal?.aborted) cut();
    signal?.addEventListener('abort', cut, { once: true });
    await this.#closed;
    signal?.removeEventListener('abort', cut);
    linger[Symbol.dispose]();
    // The method of http, at last: it stops the timer that looks for slow requests.
    this.#server.close(() => undefined);
    return unanswered;
  }

  /** Watches the server no more: for one that never began to listen. */
  [Symbol.dispose](): void {
    for (const [event, listener] of this.#listeners) this.#events.off(event, listener);
  }

  #watchConnections(): void {
    const sockets = this.#sockets;
    function forget(this: Socket): void {
      sockets.delete(this);
    }
    const watch = (socket: Socket): void => {
      sockets.add(socket);
      socket.on('close', forget);
    };
    this.#listen('connection', watch);
    this.#listen('secureConnection', watch); // on the raw one below, a connection opened in advance has said a lot
  }

  #watchSessions(): void {
    const sessions = this.#sessions;
    function forget(this: Http2Session): void {
      sessions.delete(this);
    }
    this.#listen('session', (session: Http2Session) => {
      sessions.add(session);
      session.on('close', forget);
      if (this.#stopping) session.close();
    });
  }

  #watchRequests(): void {
    const answering = this.#answering;
    const sweep = (): void => this.#sweep();
    function answered(this: ServerResponse): void {
      answering.delete(this);
      sweep();
    }
    this.#listen('request', (_request: IncomingMessage, response: ServerResponse) => {
      answering.add(response);
      response.on('close', answered);
      if (this.#leaving) leave(response);
    });
  }

  /** Before the listeners of others: they may answer at once. */
  #listen(event: string, listener: (...args: never[]) => void): void {
    this.#events.prependListener(event, listener as Listener);
    this.#listeners.push([event, listener as Listener]);
  }

  /** A response is over: its connection is idle, or will be in a moment. */
  #sweep(): void {
    if (this.#lingered) whenRead(() => this.#closeIdle());
  }

  #closeIdle(): void {
    if ('closeIdleConnections' in this.#server) this.#server.closeIdleConnections();
    // Browsers connect in advance; to Node these connections are not idle.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }
}

/** Without the query, which may hold what is nobody's business. */
function nameOf({ req }: ServerResponse): string {
  return `${req.method} ${req.url?.split('?', 1)[0]}`;
}

/**
 * Runs it when all that has arrived by now has been read: on a busy instance requests wait in sockets that look idle.
 * Between two immediates the event loop reads, whatever it is doing now.
 */
function whenRead(run: () => void): void {
  setImmediate(() => setImmediate(run));
}

/** Tells the client that this connection takes no further request. */
function leave(response: ServerResponse): void {
  if (!response.headersSent && hasConnectionHeader(response)) response.setHeader('connection', 'close');
}
