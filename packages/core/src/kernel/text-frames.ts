/*
 * Text messages of a WebSocket as a server sends them (RFC 6455, 5.2): one frame each, not masked.
 *
 *   0x81 length payload       length: one byte below 126, else 126 and two bytes, else 127 and eight
 */

/** The last frame of a message, which is its only one, and text. */
const FIN_TEXT = 0x81;
const TWO_BYTES = 126;
const EIGHT_BYTES = 127;
const MAX_TWO_BYTES = 0xffff;

/** Frames one text message, given as parts that follow each other. */
export function textFrame(...parts: readonly Buffer[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = length < TWO_BYTES ? 2 : length <= MAX_TWO_BYTES ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = FIN_TEXT;
  if (head === 2) {
    frame[1] = length;
  } else if (head === 4) {
    frame[1] = TWO_BYTES;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = EIGHT_BYTES;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length >>> 0, 6);
  }
  let at = head;
  for (const part of parts) at += part.copy(frame, at);
  return frame;
}

/** The messages that frames of {@link textFrame} hold, one after another. They share the frames' memory. */
export function* textMessages(frames: Uint8Array): Generator<Buffer> {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const short = bytes.readUInt8(at + 1);
    const head = short < TWO_BYTES ? 2 : short === TWO_BYTES ? 4 : 10;
    const length =
      head === 2
        ? short
        : head === 4
          ? bytes.readUInt16BE(at + 2)
          : bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
    at += head;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}
