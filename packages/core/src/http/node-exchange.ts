import { setMaxListeners } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Outlet } from '../kernel/outlet.js';
import { holdAnswer } from './answer-hold.js';
import type { ClientAddresses } from './clients.js';
import { ClientGoneError } from './errors.js';
import type { AnswerHeaders, Exchange, ExchangeOutcome, HeaderValues } from './exchange.js';
import { hasBody, hasConnectionHeader, isClosed, isWhole } from './node-response.js';
import { takeHead } from './response-head.js';
import { ResponseOutlet } from './response-outlet.js';

/** What a framework knows better than the bare request. */
export interface FrameworkView {
  /** The URL as the client sent it, where the framework shortens `request.url` under a mount prefix. */
  readonly url?: string | undefined;
  /** The client's address, proxies taken into account. */
  readonly ip?: string | undefined;
  /** Whether the client speaks TLS, proxies taken into account. */
  readonly secure?: boolean | undefined;
  /** The name of the host that was asked, proxies taken into account. */
  readonly host?: string | undefined;
  /** The template of the route that was found. Asked when the exchange is over. */
  route?(): string | undefined;
  /** The headers of the answer so far, where the framework keeps some to itself. */
  answerHeaders?(): HeaderValues;
  /** Takes the response away from the framework: from now on it is written directly. */
  detach?(): void;
}

const bare: FrameworkView = Object.freeze({});

/** An {@link Exchange} over a request and response of node:http or node:http2, on which Express and Fastify stand. */
export class NodeExchange implements Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #view: FrameworkView;
  readonly #clients: ClientAddresses | undefined;
  /** Made for whoever asks for the signal: most never do. */
  #abort: AbortController | undefined;
  #onEnd: ((outcome: ExchangeOutcome) => void) | undefined;
  #ip: string | undefined;
  #streaming = false;
  #outcome: ExchangeOutcome | undefined;
  #answered = false;

  /** `clients` says who the client is; without, the view does. */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    view: FrameworkView = bare,
    clients?: ClientAddresses,
  ) {
    this.#request = request;
    this.#response = response;
    this.#view = view;
    this.#clients = clients;
    // 'close' comes on every end, 'finish' only on a whole answer. Both come once: `once` would cost three objects more.
    response.on('finish', () => {
      this.#answered = isWhole(response);
    });
    response.on('close', () => this.#end());
    if (hasConnectionHeader(response) && response.socket === null) this.#outlast(request.socket);
  }

  get method(): string {
    return this.#request.method ?? 'GET';
  }

  get url(): string {
    return this.#view.url ?? this.#request.url ?? '/';
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  get hasBody(): boolean {
    return hasBody(this.#request);
  }

  get ip(): string {
    if (this.#ip === undefined) {
      const told = this.#view.ip;
      this.#ip = this.#clients?.of(this.#request, told) ?? told ?? this.#request.socket.remoteAddress ?? '';
    }
    return this.#ip;
  }

  get secure(): boolean {
    return this.#view.secure ?? (this.#request.socket as Partial<TLSSocket>).encrypted === true;
  }

  get host(): string {
    const { headers } = this.#request;
    return this.#view.host ?? hostName(headers.host ?? String(headers[':authority'] ?? ''));
  }

  get route(): string | undefined {
    return this.#view.route?.();
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      setMaxListeners(0, this.#abort.signal); // any number of calls may wait for one request
      if (this.#outcome === 'aborted') this.#abort.abort(new ClientGoneError());
    }
    return this.#abort.signal;
  }

  get status(): number {
    return this.#response.statusCode;
  }

  get streaming(): boolean {
    return this.#streaming;
  }

  get isOver(): boolean {
    return this.#outcome !== undefined;
  }

  get answerHeaders(): HeaderValues {
    return this.#view.answerHeaders?.() ?? this.#response.getHeaders();
  }

  answerHeader(name: string): string | undefined {
    const value = this.#response.getHeader(name);
    return value === undefined ? undefined : String(value);
  }

  setAnswerHeader(name: string, value: string): void {
    if (this.#response.headersSent) return;
    if (name === 'connection' && !hasConnectionHeader(this.#response)) return; // the server says it to the whole session
    this.#response.setHeader(name, value);
  }

  addAnswerHeader(name: string, value: string): void {
    if (!this.#response.headersSent) this.#response.appendHeader(name, value);
  }

  onHead(listener: () => void): void {
    const response = this.#response;
    const writeHead = response.writeHead;
    // Implicit heads come through here as well: node:http calls the method of the response itself.
    response.writeHead = (status: number, ...rest: unknown[]): ServerResponse => {
      response.writeHead = writeHead;
      takeHead(response, status, rest);
      listener();
      return writeHead.call(response, response.statusCode);
    };
  }

  holdEnd(until: () => Promise<void> | undefined): void {
    holdAnswer(this.#response, until);
  }

  onEnd(listener: (outcome: ExchangeOutcome) => void): void {
    this.#onEnd = listener;
  }

  reply(status: number, headers: AnswerHeaders, body?: string | Uint8Array): void {
    if (this.#response.headersSent || isClosed(this.#response)) return;
    this.#begin(status, headers);
    if (body !== undefined) this.#response.setHeader('content-length', Buffer.byteLength(body));
    this.#response.end(body); // node:http keeps the body from HEAD
  }

  stream(status: number, headers: AnswerHeaders): Outlet {
    return new ResponseOutlet(this.#response, () => {
      this.#streaming = true;
      this.#begin(status, headers);
      // Alone, or its text would stay in memory as the many pieces that it was put together from: 0.7 kB more a stream.
      this.#response.flushHeaders();
    });
  }

  #begin(status: number, headers: AnswerHeaders): void {
    this.#view.detach?.();
    this.#response.statusCode = status;
    for (const name in headers) this.#response.setHeader(name, headers[name] as string);
  }

  /** Of a request that waits for the answer to one before it on its connection, node:http says nothing when that closes. */
  #outlast(socket: IncomingMessage['socket']): void {
    const onClose = (): void => this.#end();
    socket.setMaxListeners(socket.getMaxListeners() + 1); // as many may wait as the client has sent
    socket.once('close', onClose);
    this.#response.once('close', () => {
      socket.off('close', onClose);
      socket.setMaxListeners(socket.getMaxListeners() - 1);
    });
  }

  #end(): void {
    if (this.#outcome !== undefined) return;
    const outcome = this.#answered ? 'answered' : 'aborted';
    this.#outcome = outcome;
    if (outcome === 'aborted') this.#abort?.abort(new ClientGoneError());
    this.#onEnd?.(outcome);
  }
}

/** `[::1]:3000` without its port. */
function hostName(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}
