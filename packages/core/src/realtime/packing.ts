/*
 * Wire format of an entry, version 1:
 *
 * entry   = "1" publisher LF *message
 * message = token-length "," data-length [ "," trace-length ] ":" token data [ trace ]  ; lengths in bytes, decimal
 *
 * `token` is the token codec's text, empty without one; `data` is the event's JSON in UTF-8; `trace` is a W3C traceparent. Messages can
 * be joined byte by byte without being read, which is how the append script leaves out duplicates.
 */
const VERSION = '1';
const LF = 0x0a;
const COMMA = 0x2c;
const COLON = 0x3a;
const ZERO = 0x30;
/** Longest run of digits of a length: refuses garbage early, and sums stay exact. */
const MAX_DIGITS = 9;

/** One message of an entry. */
export interface PackedMessage {
  /** The causal token as text, empty without one. */
  readonly token: string;
  /** The event's JSON. */
  readonly data: Buffer;
  /** The W3C traceparent of its publish, empty without one. */
  readonly traceparent: string;
}

/** What an entry holds. */
export interface UnpackedEntry {
  readonly publishedBy: string;
  readonly messages: readonly PackedMessage[];
}

/** The bytes in front of an entry's messages. */
export function packHeader(publishedBy: string): string {
  return `${VERSION}${publishedBy.replace(/[^\x21-\x7e]/g, '_')}\n`;
}

/** The bytes of one message. */
export function packMessage(token: string, json: string, traceparent = ''): Buffer {
  const body = token + json;
  const lengths = `${Buffer.byteLength(token)},${Buffer.byteLength(json)}`;
  return Buffer.from(
    traceparent === '' ? `${lengths}:${body}` : `${lengths},${traceparent.length}:${body}${traceparent}`,
  );
}

/** Reads an entry; undefined when it is of another version or damaged. Never throws. The messages share its memory. */
export function unpackEntry(packed: Buffer): UnpackedEntry | undefined {
  const end = packed.indexOf(LF);
  if (end < 0 || packed[0] !== VERSION.charCodeAt(0)) return undefined;
  const messages: PackedMessage[] = [];
  for (let at = end + 1; at < packed.length; ) {
    const comma = packed.indexOf(COMMA, at);
    const colon = packed.indexOf(COLON, at);
    const tokenLength = readLength(packed, at, comma);
    const second = packed.subarray(comma + 1, Math.max(comma + 1, colon)).indexOf(COMMA);
    const dataEnd = second < 0 ? colon : comma + 1 + second;
    const dataLength = readLength(packed, comma + 1, dataEnd);
    const traceLength = second < 0 ? 0 : readLength(packed, dataEnd + 1, colon);
    if (tokenLength === undefined || dataLength === undefined || traceLength === undefined) return undefined;
    const data = colon + 1 + tokenLength;
    const trace = data + dataLength;
    at = trace + traceLength;
    if (at > packed.length) return undefined;
    messages.push({
      token: packed.toString('utf8', colon + 1, data),
      data: packed.subarray(data, trace),
      traceparent: packed.toString('latin1', trace, at),
    });
  }
  if (messages.length === 0) return undefined;
  return { publishedBy: packed.toString('latin1', 1, end), messages };
}

function readLength(bytes: Buffer, from: number, to: number): number | undefined {
  if (to <= from || to - from > MAX_DIGITS) return undefined;
  let length = 0;
  for (let at = from; at < to; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
  }
  return length;
}
