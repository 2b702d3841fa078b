import { connect } from 'node:net';
import { instances } from './realtime-instances.mjs';

const endOfMessage = '|'.charCodeAt(0);

/**
 * A client that counts messages. It reads raw bytes and looks for the one byte that ends each: a library that parses frames
 * would cost more than the server does.
 */
export class Client {
  messages = 0;
  #kind;
  #channel;
  #listener;
  #socket;
  /** What it hears until it leaves: what it has to remember is in there. */
  #heard = '';

  /** `listener` gets the text of what comes. */
  constructor(kind, channel, listener) {
    this.#kind = instances[kind];
    this.#channel = channel;
    this.#listener = listener;
  }

  /** Resolves with the first bytes. */
  open(port) {
    const { request, hello } = this.#kind;
    return this.#connect(port, request(this.#channel), hello?.(this.#channel));
  }

  leave() {
    this.#socket.destroy();
  }

  /** Connects again, to go on behind the last message that it has heard. */
  comeBack(port) {
    const { remembers, comeBack } = this.#kind;
    const last = (pattern) => [...this.#heard.matchAll(new RegExp(pattern, 'g'))].at(-1)?.[1];
    const memory = Object.entries(remembers).map(([name, pattern]) => [name, last(pattern)]);
    const { request, hello } = comeBack(this.#channel, Object.fromEntries(memory));
    this.#heard = undefined;
    this.messages = 0;
    return this.#connect(port, request, hello);
  }

  #connect(port, request, hello) {
    return new Promise((resolve, reject) => {
      let isGreeted = hello === undefined;
      const callback = (length, buffer) => {
        if (!isGreeted) this.#socket.write(maskedText(hello));
        isGreeted = true;
        resolve();
        this.#hear(buffer.subarray(0, length));
      };
      const onread = { buffer: Buffer.allocUnsafe(4_096), callback };
      this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
      this.#socket.write(request);
      this.#socket.on('error', reject);
    });
  }

  #hear(bytes) {
    if (this.#heard !== undefined && this.#heard.length < 4_096) this.#heard += bytes.latin1Slice();
    this.#listener?.(bytes.latin1Slice());
    for (let at = bytes.indexOf(endOfMessage); at !== -1; at = bytes.indexOf(endOfMessage, at + 1))
      this.messages += 1;
  }
}

/** A text message of a client; masked with zeros, it is as it was. */
function maskedText(text) {
  const { length } = text;
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([0x81, ...size, 0, 0, 0, 0]), Buffer.from(text)]);
}

/** Resolves when that is so, or at that time at the latest. */
export const until = (isSo, endsAt = Number.POSITIVE_INFINITY) =>
  new Promise((resolve) => {
    const look = () => (isSo() || performance.now() > endsAt ? resolve() : setTimeout(look, 5));
    look();
  });
