import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { OptionsReader } from '../kernel/options.js';
import { freePort } from './free-port.js';
import type { Conditions, Link } from './tcp-proxy-lane.js';
import { Lane } from './tcp-proxy-lane.js';

/** Where a fault proxy listens, and where it leads. */
export interface TcpProxyOptions {
  /** The server behind the proxy. */
  readonly target: { readonly host: string; readonly port: number };
  /** The port on 127.0.0.1 to listen on. @defaultValue a free one */
  readonly port?: number | undefined;
}

/** One client's connection through the proxy. */
interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly lanes: readonly [Lane, Lane];
}

const healthy: Conditions = { latencyMs: 0, jitterMs: 0, bytesPerSecond: false, held: false };

/**
 * A TCP proxy whose network can be made bad while connections run through it.
 *
 * Bytes are never lost, changed or reordered within a connection, whatever the faults: as with TCP itself, they arrive
 * late or the connection ends.
 */
export class TcpProxy implements AsyncDisposable {
  /** Stays the same over {@link TcpProxy.refuse} and {@link TcpProxy.heal}. */
  readonly port: number;
  readonly #target: TcpProxyOptions['target'];
  readonly #pairs = new Set<Pair>();
  /** Clients whose server side is gone and who do not know. */
  readonly #stranded = new Set<Socket>();
  readonly #conditions: Conditions = { ...healthy };
  readonly #toServer: Link = { freeAt: 0 };
  readonly #toClient: Link = { freeAt: 0 };
  #server: Server | undefined;

  private constructor(target: TcpProxyOptions['target'], port: number) {
    this.#target = target;
    this.port = port;
  }

  /** Starts a proxy; {@link createTcpProxy} does it with options checked. */
  static async start(target: TcpProxyOptions['target'], port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target, port);
    await proxy.#listen();
    return proxy;
  }

  /** How many connections run through the proxy now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /**
   * The proxy's address: for a scheme `redis` it is `redis://127.0.0.1:<port>`, for a whole URL the same URL with the
   * proxy's host and port.
   */
  url(schemeOrUrl: string): string {
    if (!schemeOrUrl.includes('://')) return `${schemeOrUrl}://127.0.0.1:${this.port}`;
    const url = new URL(schemeOrUrl);
    url.host = `127.0.0.1:${this.port}`;
    return url.href;
  }

  /** Bytes arrive this much later, in each direction, plus a random part of the jitter; their order stays. */
  latency(latencyMs: number, jitterMs = 0): void {
    Object.assign(this.#conditions, { latencyMs, jitterMs });
  }

  /** Limits what all connections together carry in each direction. */
  bandwidth(bytesPerSecond: number | false): void {
    this.#conditions.bytesPerSecond = bytesPerSecond;
  }

  /** Nothing arrives any more, in any direction, and nobody is told; {@link TcpProxy.heal} delivers what was sent. */
  blackHole(): void {
    this.#conditions.held = true;
  }

  /** Ends all present connections with RST, on both sides. */
  reset(): void {
    for (const { client, upstream } of this.#pairs) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
  }

  /** The server's side of all present connections is gone, as after a power cut there; the clients are never told. */
  halfOpen(): void {
    for (const pair of this.#pairs) {
      this.#forget(pair);
      pair.upstream.destroy();
      pair.client.removeAllListeners('data').removeAllListeners('end').resume(); // swallows what still comes
      this.#stranded.add(pair.client);
      pair.client.once('close', () => this.#stranded.delete(pair.client));
    }
  }

  /** New connections get ECONNREFUSED; present ones stay. Resolves when it is so. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // The listening socket closes at once; 'close' waits for the connections that stay.
    await Promise.race([closed, new Promise<void>((resolve) => setImmediate(resolve))]);
  }

  /** Ends all faults: held and delayed bytes are delivered, connections accepted. What was cut stays cut. */
  async heal(): Promise<void> {
    Object.assign(this.#conditions, healthy);
    this.#toServer.freeAt = 0;
    this.#toClient.freeAt = 0;
    for (const { lanes } of this.#pairs) for (const lane of lanes) lane.hurry();
    await this.#listen();
  }

  /** Ends the proxy and all its connections. Repeatable. */
  async close(): Promise<void> {
    await this.refuse();
    for (const { client, upstream } of this.#pairs) {
      client.destroy();
      upstream.destroy();
    }
    for (const client of this.#stranded) client.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #listen(): Promise<void> {
    if (this.#server) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    this.#server = server;
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
  }

  #accept(client: Socket): void {
    const upstream = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const pair: Pair = {
      client,
      upstream,
      lanes: [
        new Lane(client, upstream, this.#toServer, this.#conditions),
        new Lane(upstream, client, this.#toClient, this.#conditions),
      ],
    };
    this.#pairs.add(pair);
    this.#endTogether(pair, client, upstream);
    this.#endTogether(pair, upstream, client);
  }

  /** What ends one side with an error resets the other; an orderly end is carried by the lanes. */
  #endTogether(pair: Pair, one: Socket, other: Socket): void {
    one.on('error', () => {
      if (this.#pairs.has(pair)) other.resetAndDestroy();
    });
    one.on('close', () => {
      if (other.destroyed) this.#forget(pair);
    });
  }

  #forget(pair: Pair): void {
    this.#pairs.delete(pair);
    for (const lane of pair.lanes) lane.close();
  }
}

/**
 * Starts a proxy on 127.0.0.1 in front of a server, to make the network between them slow, silent or broken.
 *
 * @example
 * ```ts
 * import { Redis } from 'ioredis';
 *
 * await using proxy = await createTcpProxy({ target: { host: '127.0.0.1', port: 6379 } });
 * const redis = new Redis(proxy.url('redis'));
 * proxy.latency(50);
 * proxy.blackHole();
 * await proxy.heal();
 * ```
 */
export async function createTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const reader = new OptionsReader('createTcpProxy', options, 'PANDO_TESTING_OPTIONS');
  const target = reader.nested('target');
  const host = target.string('host', '127.0.0.1');
  const address = { host, port: target.int('port', 0, { min: 1, max: 65_535 }) };
  const port = options.port === undefined ? undefined : reader.int('port', 0, { min: 1, max: 65_535 });
  reader.any('port');
  target.done();
  reader.done();

  for (let attempt = 1; ; attempt++) {
    try {
      return await TcpProxy.start(address, port ?? (await freePort()));
    } catch (error) {
      if (port !== undefined || attempt === 5) throw error; // someone may have taken the free port meanwhile
    }
  }
}
