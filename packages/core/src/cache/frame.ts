import { emptyToken, type Token } from '../kernel/token.js';
import { decodeDemand, encodeDemand } from './demand.js';
import { Texts } from './texts.js';

/** A value as it is kept in the shared level, with what decides whether it may be used. */
export interface Frame {
  readonly epoch: string;
  readonly asOf: number;
  /** Epoch ms. */
  readonly expiresAt: number;
  /** How long after that it may be served, and how long instead of an error. */
  readonly staleMs: number;
  readonly staleIfErrorMs: number;
  readonly tags: readonly string[];
  /** What its readers have seen with it: databases, and perhaps a position in this epoch; empty where nobody wanted to know. */
  readonly seen: Token;
  /** Name of the codec that made the payload. */
  readonly codec: string;
  /** The value is `undefined`, which no codec has to know; the payload is empty then. */
  readonly isNothing: boolean;
  readonly payload: Buffer;
}

/*
 * frame = version(1) isNothing(1) asOf(f64) expiresAt(f64) staleMs(f64) staleIfErrorMs(f64) sequence(f64)
 *         text(epoch) text(codec) text(seen) tags(u16) tags*text payload
 * text  = length(u16) utf-8
 * What was seen is a list of database positions, and a sequence; -1 for none.
 */
const VERSION = 3;
const HEAD_BYTES = 42;

/** Puts a value and its conditions into one buffer. At most 65,535 tags of as many bytes each. */
export function encodeFrame(frame: Frame): Buffer {
  const { epoch, asOf, expiresAt, staleMs, staleIfErrorMs, tags, seen, codec, isNothing, payload } = frame;
  const positions = encodeDemand(seen.db);
  const sequence = seen.cache.find((position) => position.epoch === epoch)?.sequence ?? -1;
  const size = [epoch, codec, positions, ...tags].reduce(
    (sum, text) => sum + 2 + Buffer.byteLength(text),
    HEAD_BYTES + 2,
  );
  const bytes = Buffer.allocUnsafe(size + payload.length);
  let at = bytes.writeUInt8(VERSION, 0);
  at = bytes.writeUInt8(isNothing ? 1 : 0, at);
  for (const number of [asOf, expiresAt, staleMs, staleIfErrorMs, sequence]) {
    at = bytes.writeDoubleBE(number, at);
  }
  for (const text of [epoch, codec, positions]) at = writeText(bytes, text, at);
  at = bytes.writeUInt16BE(tags.length, at);
  for (const tag of tags) at = writeText(bytes, tag, at);
  payload.copy(bytes, at);
  return bytes;
}

function writeText(frame: Buffer, text: string, at: number): number {
  const bytes = frame.write(text, at + 2);
  frame.writeUInt16BE(bytes, at);
  return at + 2 + bytes;
}

/** What a frame probably says: the same strings are given back where it does. */
export type Expected = Pick<Frame, 'codec' | 'tags'> & { readonly epoch: string | undefined };

/** Takes a buffer apart; undefined for what is no frame, or one of another version: read it as absent. */
export function decodeFrame(bytes: Buffer, expected?: Expected): Frame | undefined {
  if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION) return undefined;
  const texts = new Texts(bytes, HEAD_BYTES);
  const epoch = texts.next(expected?.epoch);
  const codec = texts.next(expected?.codec);
  const positions = texts.next('');
  const tags = texts.list(expected?.tags);
  const isNothing = bytes[1] === 1;
  const asOf = bytes.readDoubleBE(2);
  const expiresAt = bytes.readDoubleBE(10);
  const staleMs = bytes.readDoubleBE(18);
  const staleIfErrorMs = bytes.readDoubleBE(26);
  const sequence = bytes.readDoubleBE(34);
  if (texts.isBroken || !Number.isSafeInteger(asOf) || !Number.isSafeInteger(sequence)) return undefined;
  if (!Number.isFinite(expiresAt + staleMs + staleIfErrorMs)) return undefined;
  const seen = seenOf(positions, epoch, sequence);
  if (seen === undefined) return undefined;
  const payload = bytes.subarray(texts.at);
  return { epoch, asOf, expiresAt, staleMs, staleIfErrorMs, tags, seen, codec, isNothing, payload };
}

function seenOf(positions: string, epoch: string, sequence: number): Token | undefined {
  if (positions === '' && sequence < 0) return emptyToken;
  try {
    const cache = sequence < 0 ? [] : [{ epoch, sequence }];
    return { ...emptyToken, db: decodeDemand(positions), cache };
  } catch {
    return undefined;
  }
}
