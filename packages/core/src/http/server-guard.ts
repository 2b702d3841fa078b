import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import type { Signalled } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';

/** A server that speaks HTTP/1.1, with or without TLS. */
export type HttpServer = Server | TlsServer;

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
  readonly #clock: Clock;
  readonly #closed: Promise<void>;
  readonly #sockets = new Set<Socket>();
  /** Requests that are being answered. */
  readonly #answering = new Set<ServerResponse>();
  #stopping = false;
  #lingered = false;

  constructor(server: HttpServer, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
    this.#closed = new Promise((resolve) => server.once('close', resolve));
    this.#watchConnections();
    this.#watchRequests();
  }

  /** Accepts no new connection from now on; those that are open go on for one more request. Idempotent. */
  stopAccepting(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    // The method of net: that of http would close idle connections at once.
    NetServer.prototype.close.call(this.#server);
    for (const response of this.#answering) leave(response);
  }

  /** Waits until every connection has ended; when the signal aborts, cuts those that are left. */
  async finish({ signal }: Signalled = {}): Promise<void> {
    this.stopAccepting();
    const linger = this.#clock.after(lingerMs, () => {
      this.#lingered = true;
      this.#closeIdle();
    });
    const cut = (): void => {
      for (const socket of this.#sockets) socket.destroy();
    };
    if (signal?.aborted) cut();
    signal?.addEventListener('abort', cut, { once: true });
    await this.#closed;
    signal?.removeEventListener('abort', cut);
    linger[Symbol.dispose]();
    // The method of http, at last: it stops the timer that looks for slow requests.
    this.#server.close(() => undefined);
  }

  #watchConnections(): void {
    const sockets = this.#sockets;
    function forget(this: Socket): void {
      sockets.delete(this);
    }
    this.#server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', forget);
    });
  }

  #watchRequests(): void {
    const answering = this.#answering;
    const sweep = (): void => this.#sweep();
    function answered(this: ServerResponse): void {
      answering.delete(this);
      sweep();
    }
    this.#server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
      answering.add(response);
      response.on('close', answered);
      if (this.#stopping) leave(response);
    });
  }

  /** A response is over: its connection is idle, or will be in a moment. */
  #sweep(): void {
    if (this.#lingered) setImmediate(() => this.#closeIdle());
  }

  #closeIdle(): void {
    this.#server.closeIdleConnections();
    // Browsers connect in advance; to Node these connections are not idle.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }
}

/** Tells the client that this connection takes no further request. */
function leave(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}
