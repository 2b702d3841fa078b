import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { RequestContext } from '../kernel/context.js';
import type { CounterCell, Meter } from '../kernel/meter.js';
import { emptyToken, isEmptyToken, mergeTokens, type Token } from '../kernel/token.js';
import type { TokenCodec } from '../kernel/token-codec.js';
import type { Exchange } from './exchange.js';
import { cookiesOf, headerList, keepPrivate } from './headers.js';
import { httpInstruments } from './metrics.js';

/** How tokens travel. */
export interface TokenTransportOptions {
  /** How long a cookie lives, or `false` for none: then clients must return the header by themselves. */
  readonly cookie: false | { readonly maxAgeMs: number };
}

/** More cookies than this are merged into one by the next answer that writes. */
const maxCookies = 4;

/** Reads tokens from requests and hands them out with answers. */
export class TokenTransport {
  /** The header of both directions. */
  readonly header: string;
  readonly #prefix: string;
  readonly #codec: TokenCodec;
  readonly #options: TokenTransportOptions;
  readonly #ignored: Readonly<Record<'malformed' | 'foreign', CounterCell>>;

  constructor(name: string, codec: TokenCodec, meter: Meter, options: TokenTransportOptions) {
    this.header = `pando-token-${name.toLowerCase()}`;
    this.#prefix = `pando.${name}.`;
    this.#codec = codec;
    this.#options = options;
    this.#ignored = {
      malformed: meter.counter(httpInstruments.tokensIgnored, { reason: 'malformed' }),
      foreign: meter.counter(httpInstruments.tokensIgnored, { reason: 'foreign' }),
    };
  }

  /** All that the client says it has seen: the header, which may be repeated, and the cookies. What is not ours is ignored and counted. */
  read(headers: IncomingHttpHeaders): Token {
    let token = emptyToken;
    if (headers[this.header] !== undefined)
      for (const text of headerList(headers, this.header)) token = this.#merge(token, text);
    const cookies = cookiesOf(headers, this.#prefix);
    if (cookies.size > 0) for (const text of cookies.values()) token = this.#merge(token, text);
    return token;
  }

  /** Puts the token on the answer, and a cookie if something was written. Returns the names of the headers set that scripts should see. */
  write(exchange: Exchange, context: RequestContext): readonly string[] {
    const token = context.token;
    if (isEmptyToken(token)) return [];
    exchange.setAnswerHeader(this.header, this.#codec.encode(token));
    if (this.#options.cookie !== false && !isEmptyToken(context.written)) {
      this.#setCookie(exchange, context.written, this.#options.cookie.maxAgeMs);
    }
    return [this.header];
  }

  /**
   * One cookie per write, under a name of its own: answers may overtake each other, and one shared cookie that a
   * slower, older answer overwrites would lose the newer write.
   */
  #setCookie(exchange: Exchange, written: Token, maxAgeMs: number): void {
    const arrived = cookiesOf(exchange.headers, this.#prefix);
    const attributes = `; Path=/; HttpOnly; SameSite=Lax${exchange.secure ? '; Secure' : ''}`;
    let token = written;
    if (arrived.size > maxCookies) {
      for (const [name, text] of arrived) {
        const decoded = this.#codec.decode(text);
        if (decoded.kind === 'token') token = mergeTokens(token, decoded.token);
        exchange.addAnswerHeader('set-cookie', `${name}=; Max-Age=0${attributes}`);
      }
    }
    const name = this.#prefix + randomBytes(4).readUInt32BE().toString(36);
    const maxAgeSeconds = Math.ceil(maxAgeMs / 1_000);
    exchange.addAnswerHeader(
      'set-cookie',
      `${name}=${this.#codec.encode(token)}; Max-Age=${maxAgeSeconds}${attributes}`,
    );
    keepPrivate(exchange);
  }

  #merge(token: Token, text: string): Token {
    const decoded = this.#codec.decode(text);
    if (decoded.kind === 'token') return mergeTokens(token, decoded.token);
    this.#ignored[decoded.kind].add();
    return token;
  }
}
