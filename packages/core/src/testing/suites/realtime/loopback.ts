import type { Outlet } from '../../../kernel/outlet.js';
import type { SharedBytes } from '../../../kernel/shared-bytes.js';
import { textMessages } from '../../../kernel/text-frames.js';
import type { Realtime, SocketSession, SseSession } from '../../../realtime/index.js';
import { TestSocket } from './wires.js';

/** What a server answers, and to whom. */
export interface LoopbackInit {
  /** Who answers the next client. */
  room(): Realtime;
  /** What its streams follow. */
  readonly stream?: SseSession;
  readonly socket?: SocketSession;
}

/** One request for a stream. */
export interface StreamRequest {
  readonly url: string;
  readonly headers: Headers;
  readonly cut: () => void;
}

/** A server in this process, for clients that are given its `fetch` and its `WebSocket`. */
export class Loopback {
  readonly #init: LoopbackInit;
  readonly requests: StreamRequest[] = [];
  readonly sockets: LoopbackSocket[] = [];
  /** What it answers instead, to the next ones that ask. */
  readonly answers: (() => Response)[] = [];
  /** Whether nobody is there. */
  isAway = false;
  readonly WebSocket: new (
    url: string,
  ) => LoopbackSocket;

  constructor(init: LoopbackInit) {
    this.#init = init;
    const open = (socket: LoopbackSocket): void => this.#accept(socket);
    this.WebSocket = class extends LoopbackSocket {
      constructor(url: string) {
        super(url);
        open(this);
      }
    };
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const outlet = new StreamOutlet();
    const headers = new Headers(init?.headers);
    this.requests.push({ url: String(input), headers, cut: () => outlet.cut() });
    await new Promise(setImmediate);
    if (this.isAway) throw new TypeError('fetch failed');
    const answer = this.answers.shift();
    if (answer !== undefined) return answer();
    init?.signal?.addEventListener('abort', () => outlet.cut());
    const lastEventId = headers.get('last-event-id') ?? undefined;
    const isOurs = headers.get('accept') === 'text/event-stream;format=envelope';
    const asked = isOurs ? ({ format: 'envelope', starts: true } as const) : {};
    await this.#init.room().openSse(outlet, { channels: [], ...this.#init.stream, ...asked, lastEventId });
    return new Response(outlet.body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } });
  };

  #accept(socket: LoopbackSocket): void {
    this.sockets.push(socket);
    setImmediate(() => {
      if (this.isAway || socket.closed !== undefined) return socket.cut();
      socket.onopen?.({});
      this.#init.room().openSocket(socket.far, { authorize: () => true, ...this.#init.socket });
    });
  }
}

/** The response of a stream. */
class StreamOutlet implements Outlet {
  readonly queuedBytes = 0;
  readonly body: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #isOver = false;
  #onClose: () => void = () => undefined;

  constructor() {
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => this.#close(),
    });
  }

  write(pieces: readonly SharedBytes[]): boolean {
    if (this.#isOver) return false;
    for (const { plain } of pieces) this.#controller.enqueue(Uint8Array.from(plain));
    return true;
  }

  end(): void {
    if (!this.#isOver) this.#controller.close();
    this.#close();
  }

  destroy(): void {
    this.cut();
  }

  /** The connection breaks. */
  cut(): void {
    if (!this.#isOver) this.#controller.error(new TypeError('terminated'));
    this.#close();
  }

  onClose(listener: () => void): void {
    this.#onClose = listener;
    if (this.#isOver) listener();
  }

  onDrain(): void {
    // It takes everything.
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onClose();
  }
}

/** The server's end of a socket. */
class FarSocket extends TestSocket {
  readonly #near: LoopbackSocket;

  constructor(near: LoopbackSocket) {
    super();
    this.#near = near;
  }

  override close(code: number, reason: string): void {
    super.close(code, reason);
    this.#near.ended(code, reason);
  }

  override terminate(): void {
    super.terminate();
    this.#near.ended(1006, '');
  }

  protected override arrive(bytes: Uint8Array): void {
    super.arrive(bytes);
    if (this.#near.isSilent) return;
    for (const message of textMessages(bytes)) this.#near.onmessage?.({ data: message.toString('utf8') });
  }
}

/** The client's end of a socket, as a browser has it. */
export class LoopbackSocket {
  readonly url: string;
  readonly far: FarSocket;
  /** What the client has sent. */
  readonly sent: Readonly<Record<string, unknown>>[] = [];
  /** Whether nothing arrives, and nobody says so. */
  isSilent = false;
  closed: number | undefined;
  onopen: ((event: object) => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onerror: ((event: object) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(url: string) {
    this.url = url;
    this.far = new FarSocket(this);
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data));
    queueMicrotask(() => this.isSilent || this.far.say(data)); // it takes its way, as on a wire
  }

  close(): void {
    if (!this.isSilent) this.far.cut();
    this.ended(1005, '');
  }

  /** The connection breaks. */
  cut(): void {
    this.far.cut();
    this.ended(1006, '');
  }

  ended(code: number, reason: string): void {
    if (this.closed !== undefined) return;
    this.closed = code;
    this.onclose?.({ code, reason });
  }
}
