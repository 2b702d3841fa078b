import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * Leads to a server, and cuts each connection after so many bytes of what the server has sent: the first ones a little
 * further than their predecessors, until it has been told to stop.
 */
export class CutProxy implements AsyncDisposable {
  /** Connections that were cut. */
  cuts = 0;
  readonly #target: number;
  readonly #limitOf: (connection: number) => number | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #connections = 0;

  private constructor(target: number, limitOf: (connection: number) => number | undefined) {
    this.#target = target;
    this.#limitOf = limitOf;
    this.#server = createServer({ noDelay: true }, (client) => this.#serve(client));
  }

  /** `limitOf` says after how many bytes the connection with this number ends; undefined: it stays. */
  static async open(target: number, limitOf: (connection: number) => number | undefined): Promise<CutProxy> {
    const proxy = new CutProxy(target, limitOf);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(client: Socket): void {
    const limit = this.#limitOf(this.#connections++);
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    let passed = 0;
    client.on('data', (bytes) => server.write(bytes));
    server.on('data', (bytes) => {
      const some = limit === undefined ? bytes : bytes.subarray(0, limit - passed);
      passed += some.length;
      client.write(some);
      if (passed !== limit) return;
      this.cuts++;
      // Not a reset: that could overtake what was sent before it.
      client.end();
      server.destroy();
    });
    const end = () => {
      client.destroySoon();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', end).on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
  }
}
