import type { Listener } from './verifier.js';

/** Takes what a client tells, and passes on what it means. */
export abstract class Ear {
  readonly listener: Listener;
  /** How many connections the client has had. */
  connections = 0;
  /** Whether it has made its last one of its own accord. */
  hasGivenUp = false;
  /** When its connections ended, or could not be opened. */
  readonly endedAt: number[] = [];

  constructor(listener: Listener) {
    this.listener = listener;
  }

  hear(kind: string, ..._details: readonly unknown[]): void {
    if (kind === 'open') this.connections++;
    if (kind === 'gave-up') this.hasGivenUp = true;
    if (kind === 'closed') this.endedAt.push(performance.now());
  }
}

/** What any `EventSource` on one channel or several tells. */
export class StreamEar extends Ear {
  /** Several channels: what has come over this connection since its last cursor, and would come again if it ended now. */
  readonly #uncovered = new Set<string>();
  /** What comes again, since earlier connections ended before a cursor. */
  readonly #repeatable = new Set<string>();
  /** How often something came again. */
  repeated = 0;

  constructor(listener: Listener) {
    super(listener);
    for (const channel of listener.channels) listener.begin(channel);
  }

  override hear(kind: string, data = '', lastEventId = ''): void {
    super.hear(kind);
    if (kind === 'open') for (const key of this.#uncovered) this.#repeatable.add(key);
    // A channel that has yet to be read stays in it where it was, so what is repeatable may still come.
    if (kind === 'open' || kind === 'cursor') this.#uncovered.clear();
    else if (kind === 'reset') {
      const { c, reason } = JSON.parse(data);
      this.listener.reset(c, reason);
    } else if (kind === 'message') this.#message(JSON.parse(data), lastEventId);
  }

  #message(message: { n: number; c: string; i: string; d: { n: number } }, lastEventId: string): void {
    const { channels } = this.listener;
    if (channels.length === 1) {
      this.listener.message(channels[0] as string, lastEventId, message.n);
      return;
    }
    const { c, i, d } = message;
    const key = `${c} ${i}`;
    this.#uncovered.add(key);
    // A plain EventSource knows one position for all channels, which moves once per flush: it is sent that flush again.
    if (this.#repeatable.delete(key)) this.repeated++;
    else this.listener.message(c, i, d.n);
  }
}

/** What a client of the WebSocket protocol tells. */
export class SocketEar extends Ear {
  override hear(kind: string, ...details: readonly unknown[]): void {
    super.hear(kind);
    if (kind === 'fresh') this.listener.begin(details[0] as string);
    if (kind !== 'frame') return;
    const { t, c, i, d, reason } = details[0] as Record<string, string> & { readonly d: { n: number } };
    if (t === 'm') this.listener.message(c as string, i as string, d.n);
    else if (reason !== undefined) this.listener.reset(c as string, reason);
  }
}
