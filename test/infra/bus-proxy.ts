import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** One connection through the proxy. */
interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  /** Whether it has subscribed to anything: what it is sent is looked at from then on. */
  isBus: boolean;
  isStranded: boolean;
  rest: Buffer;
}

/**
 * Stands between an instance and its Redis, and decides which announcements of the cache arrive, when, in what order and
 * how often. All else passes: commands, and the probes that find the connection alive.
 */
export class BusProxy implements AsyncDisposable {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #kept: { readonly pair: Pair; readonly frame: Buffer }[] = [];
  #keeping: string | undefined;
  #cut: 'announcements' | 'commands' | undefined;
  #strands = false;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer({ noDelay: true }, (client) => this.#accept(client));
  }

  static async open(target: { readonly host: string; readonly port: number }): Promise<BusProxy> {
    const proxy = new BusProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `redis://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  }

  /** How many announcements are kept. */
  get kept(): number {
    return this.#kept.length;
  }

  /** What is announced on the channel does not arrive from now on, and nobody is told. */
  keep(channel: string): void {
    this.#keeping = channel;
  }

  /** Hands over what was kept, in the order given by their places, any of them several times or never; nothing is kept any more. */
  deliver(order: readonly number[] = this.#kept.map((_, place) => place)): void {
    this.#keeping = undefined;
    for (const place of order) {
      const { pair, frame } = this.#kept[place] ?? {};
      if (frame !== undefined) pair?.client.write(frame);
    }
    this.#kept.length = 0;
  }

  /** Ends the connections for announcements, or those for commands, and all that take their place. */
  cut(which: 'announcements' | 'commands'): void {
    this.#cut = which;
    for (const { client, upstream, isBus } of this.#pairs) {
      if (isBus !== (which === 'announcements')) continue;
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
  }

  /**
   * Connections for announcements that are there carry nothing any more, in no direction, and nobody is told; with
   * `andNew` those that take their place do not either, until all is healed.
   */
  strand({ andNew = false }: { readonly andNew?: boolean } = {}): void {
    this.#strands = andNew;
    for (const pair of this.#pairs) pair.isStranded = pair.isBus;
  }

  /** What comes from now on is served again. */
  heal(): void {
    this.#cut = undefined;
    this.#strands = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const { client, upstream } of this.#pairs) {
      client.destroy();
      upstream.destroy();
    }
  }

  #accept(client: Socket): void {
    // What takes the place of a command connection cannot be told from the other kind before it subscribes.
    if (this.#cut === 'commands') return void client.resetAndDestroy();
    const upstream = connect({ ...this.#target, noDelay: true });
    const pair: Pair = { client, upstream, isBus: false, isStranded: false, rest: Buffer.alloc(0) };
    this.#pairs.add(pair);
    client.on('data', (bytes) => {
      pair.isBus ||= /subscribe\r\n/i.test(bytes.toString('latin1'));
      pair.isStranded ||= pair.isBus && this.#strands;
      if (pair.isBus && this.#cut === 'announcements') return void client.resetAndDestroy();
      if (!pair.isStranded) upstream.write(bytes);
    });
    upstream.on('data', (bytes) => this.#pass(pair, bytes));
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
  }

  #pass(pair: Pair, bytes: Buffer): void {
    if (pair.isStranded) return;
    if (!pair.isBus) return void pair.client.write(bytes);
    let rest = Buffer.concat([pair.rest, bytes]);
    for (let end = endOfReply(rest, 0); end !== undefined; end = endOfReply(rest, 0)) {
      const frame = rest.subarray(0, end);
      rest = rest.subarray(end);
      const text = frame.toString('latin1');
      const isKept =
        this.#keeping !== undefined &&
        text.includes(`\r\nmessage\r\n$${this.#keeping.length}\r\n${this.#keeping}\r\n`);
      if (isKept) this.#kept.push({ pair, frame });
      else pair.client.write(frame);
    }
    pair.rest = rest;
  }
}

/** Where the reply (RESP 2 or 3) that begins here ends; undefined when it is not whole yet. */
function endOfReply(bytes: Buffer, start: number): number | undefined {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const type = String.fromCharCode(bytes[start] ?? 0);
  const size = Number(bytes.toString('latin1', start + 1, lineEnd));
  let end = lineEnd + 2;
  if ('$=!'.includes(type) && size >= 0) end += size + 2;
  if ('*>~%|'.includes(type)) {
    for (let left = '%|'.includes(type) ? 2 * size : size; left > 0; left--) {
      const next = endOfReply(bytes, end);
      if (next === undefined) return undefined;
      end = next;
    }
  }
  return end <= bytes.length ? end : undefined;
}
