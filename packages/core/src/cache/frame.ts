/** A value as it is kept in the shared level, with what decides whether it may be used. */
export interface Frame {
  readonly epoch: string;
  readonly asOf: number;
  /** Epoch ms. */
  readonly expiresAt: number;
  readonly tags: readonly string[];
  /** Name of the codec that made the payload. */
  readonly codec: string;
  readonly payload: Buffer;
}

/*
 * frame = version(1) asOf(f64) expiresAt(f64) text(epoch) text(codec) tags(u16) tags*text payload
 * text  = length(u16) utf-8
 */
const VERSION = 1;
const HEAD_BYTES = 17;

/** Puts a value and its conditions into one buffer. At most 65,535 tags of as many bytes each. */
export function encodeFrame({ epoch, asOf, expiresAt, tags, codec, payload }: Frame): Buffer {
  const size = [epoch, codec, ...tags].reduce(
    (sum, text) => sum + 2 + Buffer.byteLength(text),
    HEAD_BYTES + 2,
  );
  const frame = Buffer.allocUnsafe(size + payload.length);
  let at = frame.writeUInt8(VERSION, 0);
  at = frame.writeDoubleBE(asOf, at);
  at = frame.writeDoubleBE(expiresAt, at);
  at = writeText(frame, epoch, at);
  at = writeText(frame, codec, at);
  at = frame.writeUInt16BE(tags.length, at);
  for (const tag of tags) at = writeText(frame, tag, at);
  payload.copy(frame, at);
  return frame;
}

function writeText(frame: Buffer, text: string, at: number): number {
  const bytes = frame.write(text, at + 2);
  frame.writeUInt16BE(bytes, at);
  return at + 2 + bytes;
}

/** Takes a buffer apart; undefined for what is no frame, or one of another version: read it as absent. */
export function decodeFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION) return undefined;
  let at = HEAD_BYTES;
  let broken = false;
  const size = (): number => {
    broken ||= at + 2 > bytes.length;
    if (broken) return 0;
    at += 2;
    return bytes.readUInt16BE(at - 2);
  };
  const text = (): string => {
    const end = size() + at;
    broken ||= end > bytes.length;
    if (broken) return '';
    const read = bytes.toString('utf8', at, end);
    at = end;
    return read;
  };
  const epoch = text();
  const codec = text();
  const tags: string[] = [];
  for (let left = size(); left > 0 && !broken; left--) tags.push(text());
  const asOf = bytes.readDoubleBE(1);
  const expiresAt = bytes.readDoubleBE(9);
  if (broken || !Number.isSafeInteger(asOf) || !Number.isFinite(expiresAt)) return undefined;
  return { epoch, asOf, expiresAt, tags, codec, payload: bytes.subarray(at) };
}
