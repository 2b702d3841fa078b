import type { ServerResponse } from 'node:http';
import type { Outlet } from '../kernel/outlet.js';
import { isClosed } from './node-response.js';

/** What compression middleware adds to a response. */
interface Flushable {
  flush?(): void;
}

/** The body of a response of Node as an {@link Outlet}; its head leaves with the first bytes. */
export class ResponseOutlet implements Outlet {
  readonly #response: ServerResponse & Flushable;
  #begin: (() => void) | undefined;

  constructor(response: ServerResponse, begin: () => void) {
    this.#response = response;
    this.#begin = begin;
  }

  get queuedBytes(): number {
    return this.#response.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#open()) return true;
    const flowing = this.#response.write(bytes);
    this.#response.flush?.(); // middleware that compresses would keep the event until it has a block full
    return flowing;
  }

  end(): void {
    if (this.#open()) this.#response.end();
  }

  destroy(): void {
    this.#response.destroy();
  }

  onDrain(listener: () => void): void {
    this.#response.on('drain', listener);
  }

  onClose(listener: () => void): void {
    if (isClosed(this.#response)) listener();
    else this.#response.once('close', listener);
  }

  /** Sends the head where that has not happened yet. Tells whether bytes can still be written. */
  #open(): boolean {
    if (isClosed(this.#response) || this.#response.writableEnded) return false;
    this.#begin?.();
    this.#begin = undefined;
    return true;
  }
}
