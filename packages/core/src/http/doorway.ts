import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deadline, type Signalled } from '../kernel/abort.js';
import { readOptions } from '../kernel/options.js';
import type { Door } from './door.js';
import { CloseTimeoutError, listenError, RequestsCutError } from './errors.js';
import { outlast } from './idle-connections.js';
import { type HttpServer, ServerGuard } from './server-guard.js';
import { cutSlowClients } from './slow-clients.js';
import type { WsRoute } from './ws-route.js';

/** Where to listen, and who hears signals then. */
export interface ListenAddress {
  /** 0 takes a free one. */
  readonly port: number;
  /** Name or address to listen on. @defaultValue every address of the machine */
  readonly host?: string | undefined;
  /**
   * `false` leaves SIGTERM and SIGINT to the application from here on: call `pando.close()` on them. Otherwise they begin
   * the shutdown, as the kit's `lifecycle.signals` says.
   */
  readonly signals?: false | undefined;
}

/** What a server accepts besides requests, and how it ends. */
export interface DoorwayOptions<Identity = unknown> {
  /** Paths on which WebSocket connections are accepted. */
  readonly ws?: WsRoute<Identity> | readonly WsRoute<Identity>[] | undefined;
  /** How long `close()` waits for requests and connections to end before it cuts them. @defaultValue `10_000` */
  readonly closeTimeoutMs?: number | undefined;
}

/** The defaults of {@link DoorwayOptions}. */
export const doorwayDefaults = Object.freeze({ closeTimeoutMs: 10_000 });

/** A server that listens. */
export interface Serving extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly server: HttpServer;
  /**
   * Ends this server: accepts no new connection, tells streams and sockets to come back elsewhere, lets requests finish,
   * and cuts what is left at the deadline. The kit stays open. Idempotent; never rejects.
   */
  close(): Promise<void>;
}

/** What a framework does in its own way. */
export interface FrameworkServer {
  /** Begins to listen. @defaultValue `server.listen` */
  bind?(address: ListenAddress): Promise<unknown>;
  /** The address of the client that asks for a WebSocket, proxies taken into account. @defaultValue that of the socket */
  addressOf?(request: IncomingMessage): string | undefined;
  /** Ends what stands on the server, once that has ended. */
  release?(): Promise<void>;
}

/** One server in front of a {@link Door}: its sockets, its place in the lifecycle, its end. */
export class Doorway {
  readonly #door: Door;
  readonly #server: HttpServer;
  readonly #guard: ServerGuard;
  readonly #framework: FrameworkServer;
  readonly #upgrades: Disposable | undefined;
  readonly #closeTimeoutMs: number;
  readonly #hooks: Disposable[] = [];
  #closing: Promise<void> | undefined;

  /** The options may be those of {@link Doorway.listen} as well. @throws `PandoOptionsError` */
  constructor(
    door: Door,
    server: HttpServer,
    options: DoorwayOptions & Partial<ListenAddress>,
    framework: FrameworkServer = {},
  ) {
    this.#door = door;
    this.#server = server;
    this.#framework = framework;
    const reader = readOptions('http', options);
    for (const key of ['ws', 'port', 'host', 'signals']) reader.any(key); // checked by who uses them
    this.#closeTimeoutMs = reader.ms('closeTimeoutMs', doorwayDefaults.closeTimeoutMs);
    reader.done();
    if (options.ws !== undefined) {
      const addressOf = (request: IncomingMessage) => framework.addressOf?.(request);
      this.#upgrades = door.upgrades(options.ws, addressOf).attach(server);
    }
    cutSlowClients(server, door.slowClients); // before it listens: Node looks at one of the settings only then
    this.#guard = new ServerGuard(server, door.kit.kernel.clock);
  }

  /**
   * Begins to listen; resolves once connections are accepted.
   *
   * @throws `PandoOptionsError`; `ListenError`, in one line that says what to do.
   */
  async listen(address: ListenAddress): Promise<Serving> {
    const reader = readOptions('http', address);
    const host = reader.string('host', undefined);
    if (address?.port === undefined) reader.fail('port', 'a port number; 0 takes a free one');
    const asked = { port: reader.int('port', 0, { max: 65_535 }), host };
    const signals = reader.any('signals');
    if (signals !== undefined && signals !== false) reader.fail('signals', 'false, or left out');
    reader.done();
    if (signals === false) this.#door.kit.lifecycle.releaseSignals();
    try {
      await (this.#framework.bind?.(asked) ?? bind(this.#server, asked));
    } catch (cause) {
      throw listenError(cause as NodeJS.ErrnoException, asked.port, host);
    }
    this.enlist();
    const { port } = this.#server.address() as AddressInfo;
    const close = async (): Promise<void> => {
      await this.close();
      await this.#framework.release?.();
    };
    return {
      url: urlOf(this.#server, port, host),
      port,
      server: this.#server,
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  /** Says that the instance serves, and makes a shutdown of the kit end this server as well. Idempotent. */
  enlist(): void {
    const { lifecycle, overload } = this.#door.kit;
    if (this.#hooks.length > 0 || this.#closing !== undefined || lifecycle.draining.aborted) return;
    outlast(this.#server, this.#door.balancerIdleMs, this.#door.kit.kernel.logger);
    if (overload !== undefined) this.#hooks.push(onConnection(this.#server, () => overload.accepted()));
    this.#hooks.push(
      lifecycle.register({ name: 'http: clients', phase: 'intake', stop: () => this.#guard.sendAway() }),
      // Not in the intake phase: until the balancer has noticed, new connections come in and must be served.
      lifecycle.register({
        name: 'http: connections',
        phase: 'streams',
        stop: () => this.#guard.stopAccepting(),
      }),
      lifecycle.register({
        name: 'http: requests',
        phase: 'requests',
        stop: (options) => this.#finish(options),
      }),
    );
    lifecycle.ready();
  }

  /** Ends the server within its deadline. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Lets go of a server that could not listen, so that the application may try again with it. */
  [Symbol.dispose](): void {
    this.#upgrades?.[Symbol.dispose]();
    this.#guard[Symbol.dispose]();
  }

  async #close(): Promise<void> {
    const { clock, logger } = this.#door.kit.kernel;
    this.#guard.stopAccepting();
    using _ = this.#door.endStreams();
    using limit = deadline(clock, this.#closeTimeoutMs, () => {
      const error = new CloseTimeoutError(this.#closeTimeoutMs);
      logger.warn({ err: error }, error.message);
      return error;
    });
    await this.#guard.finish(limit);
    this.#upgrades?.[Symbol.dispose]();
    for (const hook of this.#hooks) hook[Symbol.dispose]();
  }

  /** The lifecycle has ended the streams by now, all of the kit's. */
  async #finish(options: Signalled): Promise<void> {
    const unanswered = await this.#guard.finish(options);
    await this.#framework.release?.();
    if (unanswered.length > 0) throw new RequestsCutError(unanswered);
  }
}

function onConnection(server: EventEmitter, listener: () => void): Disposable {
  server.on('connection', listener);
  return { [Symbol.dispose]: () => void server.off('connection', listener) };
}

function bind(server: HttpServer, { port, host }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(host === undefined ? { port } : { port, host }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Something to click on: an unspecified address is reached under a name. */
function urlOf(server: HttpServer, port: number, host: string | undefined): string {
  const scheme = 'setSecureContext' in server ? 'https' : 'http';
  const name = host === undefined || host === '::' || host === '0.0.0.0' ? 'localhost' : host;
  return `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
