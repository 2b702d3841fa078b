import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import type { Signalled } from '../kernel/abort.js';

/** A server that speaks HTTP/1.1, with or without TLS. */
export type HttpServer = Server | TlsServer;

/**
 * Brings one server to its end without hurting anybody: it stops accepting connections, lets every request finish and
 * keeps no connection longer than that.
 *
 * Node's own `close()` cuts kept-alive connections while a request may already be on its way on them, and waits for
 * streams and sockets for ever.
 */
export class ServerGuard {
  readonly #server: HttpServer;
  readonly #sockets = new Set<Socket>();
  readonly #closed: Promise<void>;
  #stopping = false;

  constructor(server: HttpServer) {
    this.#server = server;
    this.#closed = new Promise((resolve) => server.once('close', resolve));
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
      if (this.#stopping) response.setHeader('connection', 'close');
      response.on('close', this.#sweep);
    });
  }

  /** Accepts no new connection from now on; those that are open go on. Idempotent. */
  stopAccepting(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    // The method of net: that of http would close idle connections under their clients' feet.
    NetServer.prototype.close.call(this.#server);
  }

  /** Waits until every connection has ended; when the signal aborts, cuts those that are left. */
  async finish({ signal }: Signalled = {}): Promise<void> {
    this.stopAccepting();
    this.#server.closeIdleConnections();
    const cut = (): void => {
      for (const socket of this.#sockets) socket.destroy();
    };
    if (signal?.aborted) cut();
    signal?.addEventListener('abort', cut, { once: true });
    await this.#closed;
    signal?.removeEventListener('abort', cut);
    this.#release();
  }

  /** A response is over: its connection is idle, or will be in a moment. */
  readonly #sweep = (): void => {
    if (this.#stopping) setImmediate(() => this.#server.closeIdleConnections());
  };

  /** The method of http, at last: it stops the timer that looks for slow requests. */
  #release(): void {
    this.#server.close(() => undefined);
  }
}
