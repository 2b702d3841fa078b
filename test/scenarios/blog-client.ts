import { randomBytes } from 'node:crypto';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';

/** An answer of the blog, read to its end. */
export interface BlogAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of it
  readonly body: any;
}

/** A visitor of the blog with the cookies of a browser, at an address of their own. */
export class BlogClient {
  readonly email = `${randomBytes(6).toString('hex')}@example.com`;
  readonly password = 'correct horse';
  readonly #address = [10, ...randomBytes(3)].join('.');
  readonly #cookies = new Map<string, string>();

  get(url: string, headers: Record<string, string> = {}): Promise<BlogAnswer> {
    return this.send('GET', url, { headers });
  }

  post(url: string, body?: unknown): Promise<BlogAnswer> {
    return this.send('POST', url, { body });
  }

  /** Sends a body as JSON, or text as it is under the name of JSON. */
  async send(
    method: string,
    url: string,
    { body, headers = {} }: { readonly body?: unknown; readonly headers?: Record<string, string> } = {},
  ): Promise<BlogAnswer> {
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      headers: {
        ...this.headers(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    this.#keep(response.headers.getSetCookie());
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return {
      status: response.status,
      headers: response.headers,
      type,
      body: /json/.test(type) ? JSON.parse(text) : text,
    };
  }

  /** Creates an account and stays signed in. */
  async register(url: string, name = 'Robin'): Promise<{ readonly id: number; readonly token: string }> {
    const { email, password } = this;
    const { status, body } = await this.post(`${url}/api/auth/register`, { email, name, password });
    if (status !== 201) throw new Error(`Registering was answered with ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  /** Opens a stream with the cookies of this client. */
  listen(url: string): NewsClient {
    return new NewsClient(url, this.headers());
  }

  chat(url: string, headers: Record<string, string> = {}): ChatClient {
    return new ChatClient(url.replace('http', 'ws'), { ...this.headers(), ...headers });
  }

  headers(): Record<string, string> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return { 'x-forwarded-for': this.#address, ...(cookie === '' ? {} : { cookie }) };
  }

  #keep(setCookies: readonly string[]): void {
    for (const text of setCookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
      if (/max-age=0/i.test(text)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }
}

/** A stream of notifications, and all that came over it. */
export class NewsClient {
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of it
  readonly events: any[] = [];
  readonly #source: EventSource;
  #cursor: string | undefined;

  constructor(url: string, headers: Record<string, string>) {
    this.#source = new EventSource(url, {
      fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
    });
    this.#source.onmessage = ({ data }) => this.events.push(JSON.parse(data));
    this.#source.addEventListener('cursor', ({ lastEventId }) => {
      this.#cursor = lastEventId;
    });
  }

  /** Whether nothing published from now on can be missed, on that many channels: the cursor names a position for each. */
  follows(channels = 1): boolean {
    return this.#cursor !== undefined && Math.max(1, this.#cursor.split('!').length - 1) >= channels;
  }

  close(): void {
    this.#source.close();
  }
}

/** One side of a chat. */
export class ChatClient {
  readonly messages: { readonly type: string; readonly user?: string; readonly text?: string }[] = [];
  readonly socket: WebSocket;
  /** The status that refused the handshake. */
  refusedWith: number | undefined;

  constructor(url: string, headers: Record<string, string>) {
    this.socket = new WebSocket(url, { headers });
    this.socket.on('message', (data) => this.messages.push(JSON.parse(String(data))));
    this.socket.on('unexpected-response', (request, response) => {
      this.refusedWith = response.statusCode;
      request.destroy();
    });
    this.socket.on('error', () => undefined); // of a refused handshake
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Whether it has heard somebody say that. */
  heard(text: string): boolean {
    return this.messages.some((message) => message.text === text);
  }

  say(text: string): void {
    this.socket.send(text);
  }

  close(): void {
    this.socket.terminate();
  }
}
