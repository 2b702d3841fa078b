import type { SocketConstructor, SocketLike } from './api.js';
import type { Environment } from './environment.js';
import { ConnectionFailedError, ConnectionRefusedError } from './errors.js';
import type { Frame, Upward } from './frames.js';
import type { End, Link, LinkEvents, Transport } from './link.js';
import { Watchdog } from './watchdog.js';

/** Close codes after which nobody need come back; any other is a connection that was lost. */
const finalCodes = [1009, 4400, 4403];

/** What all sockets of one client share. */
export interface WsInit {
  readonly environment: Environment;
  readonly idleMs: number;
  readonly WebSocket: SocketConstructor;
  url(): URL;
  headers(credential: string | undefined): Record<string, string>;
}

/** WebSockets that speak pando.v1. */
export class WsTransport implements Transport {
  readonly isOneWay = false;
  readonly #init: WsInit;

  constructor(init: WsInit) {
    this.#init = init;
  }

  open(events: LinkEvents, credential: string | undefined): Link {
    return new WsLink(this.#init, events, credential);
  }
}

class WsLink implements Link {
  readonly #socket: SocketLike;
  readonly #watchdog: Watchdog;
  readonly #events: LinkEvents;
  #isOpen = false;
  #isOver = false;
  #afterMs: number | undefined;

  constructor(
    { environment, idleMs, WebSocket, url, headers }: WsInit,
    events: LinkEvents,
    credential?: string,
  ) {
    this.#events = events;
    this.#watchdog = new Watchdog(environment.clock, idleMs, (isOver) => {
      if (isOver) this.#end({ error: new ConnectionFailedError('The connection fell silent.') });
      else if (this.#isOpen) this.send({ t: 'ping' }); // pings of the protocol itself are not to be seen here
    });
    const socket = new WebSocket(url().href, ['pando.v1'], { headers: headers(credential) });
    this.#socket = socket;
    socket.onopen = () => {
      this.#isOpen = true;
      this.#watchdog.heard();
      events.opened();
    };
    socket.onmessage = ({ data }: { readonly data: string }) => this.#take(data);
    socket.onerror = () => {}; // the end follows
    socket.onclose = (event: { readonly code: number; readonly reason: string }) => this.#closed(event);
  }

  send(frame: Upward): void {
    if (this.#isOpen && !this.#isOver) this.#socket.send(JSON.stringify(frame));
  }

  close(): void {
    this.#isOver = true;
    this.#watchdog.stop();
    this.#socket.close();
  }

  #take(data: string): void {
    if (this.#isOver) return;
    this.#watchdog.heard();
    let frame: Frame;
    try {
      frame = JSON.parse(data);
    } catch (cause) {
      return void this.#end({
        error: new ConnectionFailedError(`The server sent what is no frame: ${data}.`, cause),
      });
    }
    if (frame.t === 'bye') this.#afterMs = frame.afterMs;
    else this.#events.frame(frame);
  }

  #closed({ code, reason }: { readonly code: number; readonly reason: string }): void {
    const isFinal = finalCodes.includes(code);
    const what = this.#isOpen ? `The connection ended with ${code}.` : 'The connection could not be opened.';
    this.#end({
      isFinal,
      error: isFinal
        ? new ConnectionRefusedError(code, reason)
        : this.#afterMs === undefined
          ? new ConnectionFailedError(what)
          : undefined,
    });
  }

  #end(end: End): void {
    if (this.#isOver) return;
    // Not waiting for the closing handshake: who is silent does not answer that either.
    this.close();
    this.#events.ended({ afterMs: this.#afterMs, ...end });
  }
}
