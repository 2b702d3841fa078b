import {
  Agent,
  createServer,
  type IncomingMessage,
  type RequestOptions,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import { StartError } from '../failure.js';

/** An instance behind the balancer. */
interface Backend {
  readonly port: number;
  isReady: boolean;
}

const host = '127.0.0.1';
const lookEveryMs = 200;
const lookTimeoutMs = 1_000;

/**
 * A small round-robin balancer, so that the demo needs nothing installed. It asks every instance whether it is ready and
 * leaves out those that are not. In production this is nginx, HAProxy or the platform's own.
 */
export class Balancer {
  readonly #backends: readonly Backend[];
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #tunnels = new Set<Duplex>();
  #turn = 0;
  #looking: NodeJS.Timeout | undefined;

  constructor(ports: readonly number[]) {
    this.#backends = ports.map((port) => ({ port, isReady: true }));
    this.#server = createServer((incoming, outgoing) =>
      this.#forward(incoming, outgoing, this.#candidates()),
    );
    this.#server.on('upgrade', (incoming, socket, head) => this.#tunnel(incoming, socket, head));
  }

  /** Begins to accept requests. @throws {@link StartError} when the port is taken. */
  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, host, resolve);
    }).catch((cause: Error) => {
      throw new StartError(`cannot listen on port ${port}: ${cause.message}. Set PORT to a free one.`, {
        cause,
      });
    });
    this.#looking = setInterval(() => this.#look(), lookEveryMs);
    const address = this.#server.address();
    return `http://localhost:${typeof address === 'object' ? address?.port : port}`;
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    this.#agent.destroy();
    for (const tunnel of this.#tunnels) tunnel.destroy();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #look(): void {
    for (const backend of this.#backends) {
      const asked = request({ host, port: backend.port, path: '/health/ready', timeout: lookTimeoutMs });
      asked.on('response', (answer) => {
        backend.isReady = answer.statusCode === 200;
        answer.resume();
      });
      asked.on('timeout', () => asked.destroy(new Error('It does not answer.')));
      asked.on('error', () => {
        backend.isReady = false;
      });
      asked.end();
    }
  }

  /** Who may be asked, whose turn it is first. */
  #candidates(): Backend[] {
    const ready = this.#backends.filter(({ isReady }) => isReady);
    if (ready.length === 0) return [];
    const first = this.#turn++ % ready.length;
    return [...ready.slice(first), ...ready.slice(0, first)];
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse, [backend, ...others]: Backend[]): void {
    if (backend === undefined) return void refuse(outgoing, 503, 'No instance is ready.');
    const forwarded = request({ ...forwardOptions(incoming, backend), agent: this.#agent });
    forwarded.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders));
      outgoing.flushHeaders(); // a stream may have nothing to say for a while
      pipeline(answer, outgoing, () => forwarded.destroy());
    });
    forwarded.on('error', () => {
      if (outgoing.headersSent || outgoing.destroyed) return void outgoing.destroy();
      // Only what surely changes nothing is asked again: anything else may have been carried out.
      if (incoming.method === 'GET' || incoming.method === 'HEAD') this.#forward(incoming, outgoing, others);
      else refuse(outgoing, 502, 'The instance went away before it had answered.');
    });
    outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  }

  /** Joins the client's connection with one to an instance, once the instance has been sent the handshake. */
  #tunnel(incoming: IncomingMessage, client: Duplex, head: Buffer): void {
    const [backend] = this.#candidates();
    if (backend === undefined)
      return void client.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n');
    const server = connect(backend.port, host, () => {
      server.write(handshakeOf(incoming));
      server.write(head);
      server.pipe(client).pipe(server);
    });
    for (const [side, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#tunnels.add(side);
      side.on('error', () => undefined); // 'close' follows
      side.on('close', () => {
        this.#tunnels.delete(side);
        other.destroy();
      });
    }
  }
}

function forwardOptions(incoming: IncomingMessage, { port }: Backend): RequestOptions {
  const { method, url, headers } = incoming;
  return { host, port, method, path: url, headers: { ...headers, ...forwardedBy(incoming) } };
}

function forwardedBy({ socket }: IncomingMessage): Record<string, string> {
  return { 'x-forwarded-for': socket.remoteAddress ?? '', 'x-forwarded-proto': 'http' };
}

/** The handshake as it came: its headers must reach the instance unchanged. */
function handshakeOf(incoming: IncomingMessage): string {
  const lines = [`${incoming.method} ${incoming.url} HTTP/1.1`];
  const claimed = /^x-forwarded-/i;
  for (const [name, value] of pairsOf(incoming.rawHeaders))
    if (!claimed.test(name)) lines.push(`${name}: ${value}`);
  for (const [name, value] of Object.entries(forwardedBy(incoming))) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding']);

/** The headers without those that concern one connection alone. */
function endToEnd(rawHeaders: readonly string[]): string[] {
  return pairsOf(rawHeaders).flatMap((pair) => (hopByHop.has(pair[0].toLowerCase()) ? [] : pair));
}

function pairsOf(rawHeaders: readonly string[]): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index] as string, rawHeaders[index + 1] as string]);
  }
  return pairs;
}

function refuse(outgoing: ServerResponse, status: number, detail: string): void {
  outgoing.writeHead(status, { 'content-type': 'application/problem+json' });
  outgoing.end(JSON.stringify({ type: 'about:blank', status, detail }));
}
