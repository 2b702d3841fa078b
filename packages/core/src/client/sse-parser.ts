/** One event as it came. */
export interface SseEvent {
  readonly type: string;
  /** What the event itself names, if it names one. */
  readonly id: string | undefined;
  readonly data: string;
}

/** Reads the text of an event stream, however it is cut (HTML standard, 9.2.6). */
export class SseParser {
  /** What the server said last of when to come back. */
  retryMs: number | undefined;
  readonly #onEvent: (event: SseEvent) => void;
  #rest = '';
  #endedInCr = false;
  #type = '';
  #id: string | undefined;
  #data: string[] = [];

  constructor(onEvent: (event: SseEvent) => void) {
    this.#onEvent = onEvent;
  }

  push(text: string): void {
    if (text === '') return;
    // Of a CR LF that was cut in two, the first half has ended the line.
    const from = this.#endedInCr && text[0] === '\n' ? 1 : 0;
    this.#endedInCr = text.endsWith('\r');
    const lines = (this.#rest + text.slice(from)).split(/\r\n|[\r\n]/);
    this.#rest = lines.pop() as string;
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    if (line === '') return void this.#dispatch();
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(): void {
    if (this.#data.length > 0) {
      this.#onEvent({ type: this.#type || 'message', id: this.#id, data: this.#data.join('\n') });
    }
    this.#type = '';
    this.#id = undefined;
    this.#data = [];
  }
}
