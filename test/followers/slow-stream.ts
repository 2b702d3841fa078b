import { get, type IncomingMessage } from 'node:http';
import { SseReader } from '../../packages/core/src/testing/suites/realtime/sse-reader.js';
import type { Tell } from './clients.js';

/** Looks for bytes that often in a second. */
const LOOKS = 10;

/** Follows a stream, and takes so many bytes of it in a second, until it is told to hurry. */
export class SlowStream {
  readonly #url: string;
  readonly #tell: Tell;
  readonly #looking: NodeJS.Timeout;
  #response: IncomingMessage | undefined;
  #lastEventId = '';
  #isHurrying = false;
  #isClosed = false;

  constructor(url: string, bytesPerSecond: number, tell: Tell) {
    this.#url = url;
    this.#tell = tell;
    this.#open();
    this.#looking = setInterval(() => {
      if (!this.#isHurrying) this.#response?.read(Math.ceil(bytesPerSecond / LOOKS));
    }, 1_000 / LOOKS);
  }

  hurry(): void {
    this.#isHurrying = true;
    this.#response?.resume();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#looking);
    this.#response?.destroy();
  }

  #open(): void {
    const headers = {
      accept: 'text/event-stream',
      ...(this.#lastEventId === '' ? {} : { 'last-event-id': this.#lastEventId }),
    };
    const comeBack = () => setTimeout(() => !this.#isClosed && this.#open(), 20);
    const request = get(this.#url, { headers, agent: false }, (response) => {
      const reader = new SseReader();
      reader.lastEventId = this.#lastEventId;
      this.#tell('open');
      this.#response = response;
      response.on('data', (bytes: Buffer) => {
        reader.push(bytes);
        this.#lastEventId = reader.lastEventId || this.#lastEventId;
        for (const { type, data, lastEventId } of reader.events.splice(0))
          this.#tell(type, data, lastEventId);
      });
      response.on('error', () => undefined).on('close', comeBack);
      if (!this.#isHurrying) response.pause();
    });
    request.on('error', () => this.#response === undefined && comeBack());
  }
}
