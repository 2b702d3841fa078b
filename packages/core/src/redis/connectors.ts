import { createConnection, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { AbstractConnector, SentinelConnector } from 'ioredis';

/**
 * Sockets that cannot bring the process down.
 *
 * A TLS socket that is ended during its handshake emits `error` twice. ioredis listens once, also on
 * the short-lived connections it makes by itself to ask sentinels and cluster nodes; nobody else can
 * listen there but the connector that makes the sockets.
 */
function guarded<Stream extends Socket>(socket: Stream): Stream {
  return socket.on('error', ignore);
}

/** The options that a connector is made with: those of its client. */
interface ConnectorOptions {
  readonly disconnectTimeout: number;
  readonly host?: string | null;
  readonly port?: number | null;
  readonly family?: number | null;
  readonly path?: string | null;
  readonly tls?: TlsOptions | null;
}

/** Connects to one server, as ioredis' own connector does, by a guarded socket. */
export class GuardedConnector extends AbstractConnector {
  readonly #options: ConnectorOptions;

  constructor(options: unknown) {
    super((options as ConnectorOptions).disconnectTimeout);
    this.#options = options as ConnectorOptions;
  }

  override async connect(): Promise<Socket> {
    this.connecting = true;
    await new Promise(process.nextTick); // the caller may think better of it
    if (!this.connecting) throw new Error('Connection is closed.');
    const { host, port, family, path, tls } = this.#options;
    const address = path
      ? { path }
      : { host: host ?? undefined, port: port ?? undefined, family: family ?? undefined };
    const target = { ...address, ...tls } as NetConnectOpts;
    const stream = guarded(tls ? connectTls(target as TlsOptions) : createConnection(target));
    stream.once('error', (cause) => {
      this.firstError = cause;
    });
    this.stream = stream;
    return stream;
  }
}

/** The part of ioredis' sentinel connector that makes connections; private in its types only. */
interface SentinelInternals extends AbstractConnector {
  connect(...args: Parameters<AbstractConnector['connect']>): Promise<Socket>;
  connectToSentinel(endpoint: object, options?: object): object;
}

const Internals = SentinelConnector as unknown as new (options: unknown) => SentinelInternals;

/** Asks sentinels for the master and connects to it, all by guarded sockets. */
export class GuardedSentinelConnector extends Internals {
  override async connect(
    ...args: Parameters<AbstractConnector['connect']>
  ): ReturnType<AbstractConnector['connect']> {
    return guarded(await super.connect(...args));
  }

  override connectToSentinel(endpoint: object, options?: object): object {
    return super.connectToSentinel(endpoint, { ...options, Connector: GuardedConnector });
  }
}

const ignore = (): void => undefined;
