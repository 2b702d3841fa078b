import { emptyToken, isEmptyToken, type Token } from '../../kernel/token.js';
import type { TokenCodec } from '../../kernel/token-codec.js';
import { laterToken } from '../later-token.js';
import type { Entry } from './entry.js';

/** What the events of a channel have written so far: state read under it is at least as new as all of them. */
export interface Seen {
  readonly token: Token;
  /** The same for clients; empty when it says nothing, or nobody signs. */
  readonly text: string;
}

/** Of a channel whose events nobody remembers. */
export const nothingSeen: Seen = Object.freeze({ token: emptyToken, text: '' });

/** As a member of a frame; absent where it says nothing. */
export function textOf({ text }: Seen): string | undefined {
  return text === '' ? undefined : text;
}

/** What the events of two channels have written. */
export function laterSeen(a: Seen, b: Seen, codec: TokenCodec | undefined): Seen {
  const token = laterToken(a.token, b.token);
  return token === a.token ? a : token === b.token ? b : seenOf(token, codec);
}

function seenOf(token: Token, codec: TokenCodec | undefined): Seen {
  return { token, text: isEmptyToken(token) ? '' : (codec?.encode(token) ?? '') };
}

/** Tokens that wait to be read; most are never asked for. */
const MAX_UNREAD = 256;

/**
 * Merges the tokens of a channel's events.
 *
 * Whoever begins to follow a channel will not get what came before, yet may read state because of it, or show both side by
 * side: so he is told what it has seen. To read a token costs a signature, and most are never asked for: they are kept as text
 * until somebody begins.
 */
export class ChannelToken {
  readonly #codec: TokenCodec | undefined;
  readonly #unread = new Set<string>();
  #seen = nothingSeen;

  constructor(codec: TokenCodec | undefined) {
    this.#codec = codec;
  }

  get seen(): Seen {
    if (this.#unread.size > 0) this.#read();
    return this.#seen;
  }

  /** Takes in what the log remembers of all events up to its end. */
  join(token: Token): void {
    const merged = laterToken(this.#seen.token, token);
    if (merged !== this.#seen.token) this.#set(merged);
  }

  /** Takes in the events of one entry. */
  add({ messages }: Entry): void {
    if (this.#codec === undefined) return;
    for (const { token } of messages) if (token !== '') this.#unread.add(token);
    if (this.#unread.size > MAX_UNREAD) this.#read();
  }

  #read(): void {
    let { token } = this.#seen;
    for (const text of this.#unread) {
      const decoded = this.#codec?.decode(text);
      if (decoded?.kind === 'token') token = laterToken(token, decoded.token);
    }
    this.#unread.clear();
    this.#set(token);
  }

  #set(token: Token): void {
    this.#seen = seenOf(token, this.#codec);
  }
}
