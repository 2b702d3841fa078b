import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { waitFor } from '../../wait-for.js';

/** One event as a browser would hand it over. */
export interface ReceivedEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

/** A client of one stream, on a connection of its own. */
export class EventStream implements Disposable {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly #response: IncomingMessage;
  #text = '';
  #ended = false;

  private constructor(response: IncomingMessage) {
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    this.#response = response;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      this.#text += chunk;
    });
    response.on('end', () => {
      this.#ended = true;
    });
    response.on('error', () => undefined); // cut: `ended` stays false
  }

  /** Resolves with the head. */
  static async open(
    url: string,
    {
      headers = {},
      method = 'GET',
    }: { readonly headers?: Record<string, string>; readonly method?: string } = {},
  ): Promise<EventStream> {
    const request = httpRequest(url, { agent: false, headers, method });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    request.on('error', () => undefined);
    return new EventStream(response);
  }

  /** All that has arrived. */
  get text(): string {
    return this.#text;
  }

  /** Whether the server has ended the stream in order. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whole events so far. */
  get events(): readonly ReceivedEvent[] {
    const blocks = this.#text.split('\n\n').slice(0, -1);
    return blocks.map(parseBlock).filter((event) => event !== undefined);
  }

  /** Whole messages so far: what a page's `onmessage` would see. */
  get messages(): readonly ReceivedEvent[] {
    return this.events.filter(({ event, data }) => event === 'message' && data !== '');
  }

  /** The id that a browser would send when it reconnects. */
  get lastEventId(): string | undefined {
    return this.events.findLast(({ id }) => id !== undefined)?.id;
  }

  /** Waits for the end in order. */
  async finished(): Promise<void> {
    await waitFor(() => this.#ended, { message: 'an orderly end of the stream' });
  }

  /** Goes away without a word. */
  close(): void {
    this.#response.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function parseBlock(block: string): ReceivedEvent | undefined {
  const fields = block
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(':') && !line.startsWith('retry:'));
  if (fields.length === 0) return undefined;
  const valuesOf = (name: string): readonly string[] =>
    fields
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).replace(/^ /, ''));
  return {
    event: valuesOf('event').at(-1) ?? 'message',
    id: valuesOf('id').at(-1),
    data: valuesOf('data').join('\n'),
  };
}

/** Writes bytes of its own to a connection of its own, and returns all that comes back until it ends. */
export async function talk(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('utf8').write(bytes);
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}

/** A handshake that was answered in plain HTTP. */
export interface Refusal {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** A WebSocket client that keeps what it receives. */
export class SocketClient implements Disposable {
  readonly headers: IncomingHttpHeaders;
  readonly messages: string[] = [];
  /** Undefined while the connection is open. */
  closeCode: number | undefined;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket, headers: IncomingHttpHeaders) {
    this.headers = headers;
    this.#socket = socket;
    socket.on('close', (code) => {
      this.closeCode = code;
    });
    socket.on('error', () => undefined);
  }

  static async connect(
    url: string,
    {
      headers = {},
      protocols = [],
      autoPong = true,
    }: {
      readonly headers?: Record<string, string>;
      readonly protocols?: string[];
      /** Whether pings are answered, as they are by every browser. */
      readonly autoPong?: boolean;
    } = {},
  ): Promise<SocketClient | Refusal> {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, { headers, autoPong, agent: false });
    const early: string[] = [];
    const keep = (data: unknown): void => void early.push(String(data));
    socket.on('message', keep); // the first messages may come with the handshake
    let answer: IncomingMessage | undefined;
    socket.once('upgrade', (response) => {
      answer = response;
    });
    return new Promise((resolve, reject) => {
      socket.once('unexpected-response', (_request, response: IncomingMessage) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0, headers: response.headers });
      });
      socket.once('error', reject);
      socket.once('open', () => {
        const client = new SocketClient(socket, answer?.headers ?? {});
        client.messages.push(...early);
        socket.off('message', keep);
        socket.on('message', (data) => void client.messages.push(String(data)));
        resolve(client);
      });
    });
  }

  /** Connects where that is expected to work. */
  static async open(
    url: string,
    options: Parameters<typeof SocketClient.connect>[1] = {},
  ): Promise<SocketClient> {
    const client = await SocketClient.connect(url, options);
    if (client instanceof SocketClient) return client;
    throw new Error(`The handshake was refused with ${client.status}.`);
  }

  /** The subprotocol that was agreed on. */
  get protocol(): string {
    return this.#socket.protocol;
  }

  send(frame: unknown): void {
    this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The JSON frames so far. */
  get frames(): readonly Record<string, unknown>[] {
    return this.messages.map((text) => JSON.parse(text) as Record<string, unknown>);
  }

  /** Stops reading, as a frozen client would: closing handshakes stay unanswered. */
  freeze(): void {
    this.#socket.pause();
  }

  async closed(): Promise<number> {
    await waitFor(() => this.closeCode !== undefined, { message: 'the socket to close' });
    return this.closeCode as number;
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}

/** What came back over HTTP/2. */
export interface Http2Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One connection of HTTP/2 in clear text. */
export class Http2Client implements Disposable {
  readonly #session: ClientHttp2Session;
  /** Whether the connection has ended, whoever ended it. */
  closed = false;

  constructor(url: string) {
    this.#session = connectHttp2(url);
    this.#session.on('error', () => undefined);
    this.#session.on('close', () => {
      this.closed = true;
    });
  }

  /** Asks for a path. What is streamed arrives in `stream`. */
  request(path: string, headers: Record<string, string> = {}, body?: string): ClientHttp2Stream {
    const stream = this.#session.request({ ':path': path, ...headers }, { endStream: body === undefined });
    if (body !== undefined) stream.end(body); // whose length no header tells
    stream.setEncoding('utf8').on('error', () => undefined);
    return stream;
  }

  /** The whole answer. */
  async get(path: string, headers: Record<string, string> = {}, body?: string): Promise<Http2Answer> {
    const stream = this.request(path, headers, body);
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status'?: number }];
    let answered = '';
    for await (const chunk of stream) answered += chunk;
    return { status: head[':status'], headers: head, body: answered };
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}
