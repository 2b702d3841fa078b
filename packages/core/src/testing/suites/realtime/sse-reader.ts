/** One event as a browser dispatches it. */
export interface DispatchedEvent {
  readonly type: string;
  readonly data: string;
  /** `Last-Event-ID` at that moment. */
  readonly lastEventId: string;
}

/**
 * The client's side of an event stream, after the letter of the HTML standard ("event stream interpretation").
 *
 * For tests: what our encoder means is what this understands.
 */
export class SseReader {
  readonly events: DispatchedEvent[] = [];
  lastEventId = '';
  retryMs: number | undefined;
  readonly #decoder = new TextDecoder('utf-8');
  #rest = '';
  #endedWithCr = false;
  #data = '';
  #type = '';
  #id = '';

  /** Takes bytes as they arrive, cut anywhere. */
  push(bytes: Uint8Array): void {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (this.#endedWithCr && text.startsWith('\n')) text = text.slice(1);
    if (text === '') return;
    this.#endedWithCr = text.endsWith('\r');
    const lines = (this.#rest + text).split(/\r\n|\r|\n/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === '') {
      this.#dispatch();
      return;
    }
    if (line.startsWith(':')) return;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data += `${value}\n`;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(): void {
    this.lastEventId = this.#id;
    const data = this.#data.replace(/\n$/, '');
    const type = this.#type || 'message';
    const hasData = this.#data !== '';
    this.#data = '';
    this.#type = '';
    // The standard drops an event whose data buffer is empty. "data:" alone leaves a line feed there, so it counts.
    if (hasData) this.events.push({ type, data, lastEventId: this.lastEventId });
  }
}
