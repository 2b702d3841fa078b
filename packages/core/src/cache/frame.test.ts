import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeFrame, type Frame } from './frame.js';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const frames: fc.Arbitrary<Frame> = fc.record({
  epoch: text,
  asOf: fc.maxSafeNat(),
  expiresAt: fc.double({ noNaN: true, noDefaultInfinity: true }),
  tags: fc.array(text, { maxLength: 8 }),
  codec: text,
  payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

describe('a frame', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
      }),
    );
  });

  it('cut off before its payload is none', () => {
    fc.assert(
      fc.property(frames, fc.nat(), (frame, at) => {
        const bytes = encodeFrame(frame);
        const head = bytes.length - frame.payload.length;
        expect(decodeFrame(bytes.subarray(0, at % head))).toBeUndefined();
      }),
    );
  });

  it('of another version is none', () => {
    fc.assert(
      fc.property(frames, fc.integer({ min: 0, max: 255 }), (frame, version) => {
        fc.pre(version !== 1);
        const bytes = encodeFrame(frame);
        bytes[0] = version;
        expect(decodeFrame(bytes)).toBeUndefined();
      }),
    );
  });

  it('is read from any bytes without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const frame = decodeFrame(Buffer.from([1, ...bytes]));
        if (frame !== undefined) expect(Number.isSafeInteger(frame.asOf)).toBe(true);
      }),
    );
  });
});
