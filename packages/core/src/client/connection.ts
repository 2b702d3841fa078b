import type { LiveState } from './api.js';
import { type BackoffOptions, backoffMs } from './backoff.js';
import type { Environment } from './environment.js';
import { ConnectionFailedError } from './errors.js';
import type { Frame, Upward } from './frames.js';
import type { End, Link, LinkEvents, Transport } from './link.js';

/** How a connection is kept. */
export interface ConnectionInit extends BackoffOptions {
  readonly transport: Transport;
  readonly environment: Environment;
  readonly credential: (() => string | Promise<string>) | undefined;
}

/** Who hears it. */
export interface ConnectionEvents {
  /** There is a connection, on which nothing is followed yet. */
  opened(): void;
  frame(frame: Frame): void;
  state(state: LiveState): void;
  failed(error: Error): void;
}

const authId = 'auth';
/** The longest time that a timer of a browser takes. */
const longestMs = 2 ** 31 - 1;

/** A connection that comes back, to whichever instance answers. */
export class Connection implements LinkEvents {
  readonly #init: ConnectionInit;
  readonly #events: ConnectionEvents;
  readonly #offOnline: () => void;
  #link: Link | undefined;
  #credential: string | undefined;
  /** Runs out before the next attempt, and while connected before the credential does. */
  #timer: Disposable | undefined;
  /** What began before is not wanted any more. */
  #attempts = 0;
  #state: LiveState | undefined;
  #failures = 0;
  /** Whether the credential was refused last time: another one may help, a third will not. */
  #wasRefused = false;

  constructor(init: ConnectionInit, events: ConnectionEvents) {
    this.#init = init;
    this.#events = events;
    this.#offOnline = init.environment.onOnline(() => {
      if (this.#state === 'waiting') this.connect();
    });
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Connects now, in place of any connection there is. */
  connect(): void {
    if (this.#state !== 'closed') void this.#attempt();
  }

  send(frame: Upward): void {
    this.#link?.send(frame);
  }

  close(): void {
    this.#drop();
    this.#offOnline();
    this.#enter('closed');
  }

  opened(): void {
    this.#enter('open');
    this.#introduce(this.#credential);
    this.#events.opened();
  }

  frame(frame: Frame): void {
    if (frame.t === 'auth') return void this.#authenticated(frame.id, frame.expiresAt);
    if (frame.t === 'err' && frame.id === authId) return; // what that means, the server says by ending the connection
    this.#failures = 0;
    this.#wasRefused = false;
    this.#events.frame(frame);
  }

  ended({ afterMs, atLeastMs = 0, error, isFinal, isUnauthorized }: End): void {
    this.#drop();
    const mayHelp = isUnauthorized && this.#init.credential !== undefined && !this.#wasRefused;
    this.#wasRefused = isUnauthorized ?? false;
    const isOver = isFinal && !mayHelp;
    if (isOver) this.close();
    if (error !== undefined && (isOver || !isFinal)) this.#events.failed(error);
    if (isOver) return;
    const { random } = this.#init.environment;
    const ownMs = backoffMs(this.#failures++, this.#init, random);
    this.#enter('waiting');
    this.#wait(Math.max(afterMs ?? ownMs, atLeastMs * (1 + 0.5 * random())), () => this.connect());
  }

  async #attempt(): Promise<void> {
    this.#drop();
    const attempt = this.#attempts;
    this.#enter('connecting');
    try {
      const credential = await this.#init.credential?.();
      if (attempt !== this.#attempts) return;
      this.#credential = credential;
      this.#link = this.#init.transport.open(this, credential);
    } catch (cause) {
      if (attempt !== this.#attempts) return;
      this.ended({ error: new ConnectionFailedError(`The attempt to connect failed: ${cause}.`, cause) });
    }
  }

  /** Says who this is, before anything is asked: a browser's WebSocket had no other way. */
  #introduce(credential: string | undefined): void {
    if (credential !== undefined) this.send({ t: 'auth', id: authId, credential });
  }

  /** The server knows who this is, until then; without a time it asks who it is. */
  #authenticated(id: string | undefined, expiresAt: number | undefined): void {
    if (id === authId && expiresAt === undefined) return;
    const leftMs = expiresAt === undefined ? 0 : expiresAt - this.#init.environment.clock.now();
    // Not all at the same instant, and early enough for an answer that takes its time.
    const afterMs = Math.max(0, leftMs * (0.8 + 0.1 * this.#init.environment.random()));
    this.#wait(afterMs, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const attempt = this.#attempts;
    try {
      const credential = await this.#init.credential?.();
      if (attempt === this.#attempts) this.#introduce(credential);
    } catch (cause) {
      this.#events.failed(new ConnectionFailedError(`There is no new credential: ${cause}.`, cause));
    }
  }

  /** There is one timer: what it waited for before is out of date. */
  #wait(delayMs: number, run: () => void): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#init.environment.clock.after(Math.min(delayMs, longestMs), run);
  }

  #drop(): void {
    this.#attempts++;
    this.#timer?.[Symbol.dispose]();
    this.#link?.close();
    this.#link = undefined;
  }

  #enter(state: LiveState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    this.#events.state(state);
  }
}
