import type { Environment } from './environment.js';
import { ConnectionFailedError, ConnectionRefusedError } from './errors.js';
import type { Frame } from './frames.js';
import type { End, Link, LinkEvents, Transport } from './link.js';
import { type SseEvent, SseParser } from './sse-parser.js';
import { Watchdog } from './watchdog.js';

const unstored = Object.freeze({ cache: 'no-store' });

/** What all streams of one client share. */
export interface SseInit {
  readonly environment: Environment;
  readonly idleMs: number;
  readonly fetch: typeof globalThis.fetch;
  url(): URL;
  headers(credential: string | undefined): Record<string, string>;
}

/** Event streams, read with `fetch`: one goes on where the last one was. */
export class SseTransport implements Transport {
  readonly isOneWay = true;
  readonly init: SseInit;
  /** The positions of all channels, as the server has put them together. */
  cursor: string | undefined;

  constructor(init: SseInit, cursor: string | undefined) {
    this.init = init;
    this.cursor = cursor;
  }

  open(events: LinkEvents, credential: string | undefined): Link {
    return new SseLink(this, events, credential);
  }
}

class SseLink implements Link {
  readonly #transport: SseTransport;
  readonly #events: LinkEvents;
  readonly #abort = new AbortController();
  readonly #parser = new SseParser((event) => this.#take(event));
  readonly #watchdog: Watchdog;
  /** What came behind the last cursor: without the next one, it will come again. */
  #group: Frame[] = [];
  #isOver = false;

  constructor(transport: SseTransport, events: LinkEvents, credential: string | undefined) {
    this.#transport = transport;
    this.#events = events;
    const { environment, idleMs } = transport.init;
    this.#watchdog = new Watchdog(environment.clock, idleMs, (isOver) => {
      if (isOver) this.#end({ error: new ConnectionFailedError('The stream fell silent.') });
    });
    this.#run(credential).then(
      (end) => this.#end(end),
      (cause) => this.#end({ error: new ConnectionFailedError('The stream broke off.', cause) }),
    );
  }

  send(): void {
    // The server's route has decided what comes.
  }

  close(): void {
    this.#isOver = true;
    this.#watchdog.stop();
    this.#abort.abort();
  }

  async #run(credential: string | undefined): Promise<End> {
    const { init, cursor } = this.#transport;
    const response = await init.fetch(init.url(), {
      headers: {
        // Of channels that are not named otherwise: even one is to say its name, and where it begins.
        accept: 'text/event-stream;format=envelope',
        ...(cursor === undefined ? {} : { 'last-event-id': cursor }),
        ...init.headers(credential),
      },
      ...unstored,
      signal: this.#abort.signal,
    });
    const type = response.headers.get('content-type');
    if (response.status !== 200 || response.body === null || !type?.startsWith('text/event-stream')) {
      void response.body?.cancel();
      return refusalOf(response, type);
    }
    if (this.#isOver) return {};
    this.#watchdog.heard();
    this.#events.opened();
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#isOver) return {};
      this.#watchdog.heard();
      this.#parser.push(decoder.decode(value, { stream: true }));
    }
  }

  #take({ type, id, data }: SseEvent): void {
    if (this.#isOver) return;
    try {
      const content = data === '' ? {} : JSON.parse(data);
      const token: string | undefined = content?.t;
      if (type === 'reset' || type === 'sub') this.#group.push({ ...content, t: type, token });
      // A position at the beginning of a raw stream says where its only channel begins.
      else if (type === 'cursor' && /^\d/.test(id ?? ''))
        this.#group.push({ t: 'sub', i: id as string, recovered: false, token });
      else if (type === 'message' && id === undefined) this.#group.push({ ...content, t: 'm', token });
      else if (type === 'message') this.#group.push({ t: 'm', i: id as string, d: content });
    } catch (cause) {
      this.#end({ error: new ConnectionFailedError(`The stream holds what is no event: ${data}.`, cause) });
    }
    if (id !== undefined) this.#settle(id);
  }

  /** The group is complete: from now on the stream would go on behind it. */
  #settle(id: string): void {
    if (id !== '') this.#transport.cursor = id;
    const group = this.#group;
    this.#group = [];
    for (const frame of group) if (!this.#isOver) this.#events.frame(frame);
    if (!this.#isOver) this.#events.frame({ t: 'cursor', i: id });
  }

  #end(end: End): void {
    if (this.#isOver) return;
    this.close();
    this.#events.ended({ afterMs: this.#parser.retryMs, ...end });
  }
}

/** What an answer that is no stream means: that there is nothing to hear, that this client may not, or not now. */
function refusalOf({ status, headers }: Response, type: string | null): End {
  if (status === 204) return { isFinal: true };
  if (status === 200)
    return { error: new ConnectionFailedError(`The server answered with ${type}, no event stream.`) };
  const isPassing = status >= 500 || status === 408 || status === 425 || status === 429;
  if (!isPassing) {
    return { isFinal: true, isUnauthorized: status === 401, error: new ConnectionRefusedError(status, '') };
  }
  const after = headers.get('retry-after') ?? '';
  const atLeastMs = /^\d+$/.test(after) ? Number(after) * 1_000 : undefined;
  return { atLeastMs, error: new ConnectionFailedError(`The server answered with ${status}.`) };
}
