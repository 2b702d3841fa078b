import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyToken } from '../kernel/token.js';
import { decodeFrame, encodeFrame, type Frame } from './frame.js';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const positions = fc.uniqueArray(
  fc.record({
    shard: text,
    system: text,
    timeline: fc.nat(),
    lsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }),
  { maxLength: 3, selector: ({ shard, system }) => `${shard} ${system}` },
);
const frames: fc.Arbitrary<Frame> = fc
  .record({
    epoch: text,
    asOf: fc.maxSafeNat(),
    expiresAt: fc.double({ noNaN: true, noDefaultInfinity: true }),
    staleMs: fc.maxSafeNat(),
    staleIfErrorMs: fc.maxSafeNat(),
    tags: fc.array(text, { maxLength: 8 }),
    db: positions,
    sequence: fc.option(fc.maxSafeNat(), { nil: undefined }),
    codec: text,
    isNothing: fc.boolean(),
    payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  })
  .map(({ db, sequence, ...frame }) => {
    const cache = sequence === undefined ? [] : [{ epoch: frame.epoch, sequence }];
    return { ...frame, seen: { ...emptyToken, db, cache } };
  });

describe('a frame', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
      }),
    );
  });

  it('comes back as it was, whatever it was expected to say', () => {
    const expected = fc.oneof(
      frames.map(({ epoch, codec, tags }) => ({ epoch, codec, tags })),
      fc.constant(undefined),
    );
    fc.assert(
      fc.property(frames, expected, (frame, other) => {
        const bytes = encodeFrame(frame);
        expect(decodeFrame(bytes, other)).toEqual(frame);
        const tags = [...frame.tags];
        const read = decodeFrame(bytes, { ...frame, tags });
        expect(read).toEqual(frame);
        expect(read?.tags).toBe(tags); // shared, not copied
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
        fc.pre(version !== 3);
        const bytes = encodeFrame(frame);
        bytes[0] = version;
        expect(decodeFrame(bytes)).toBeUndefined();
      }),
    );
  });

  it('is read from any bytes without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const frame = decodeFrame(Buffer.from([3, ...bytes]));
        if (frame !== undefined) expect(Number.isSafeInteger(frame.asOf)).toBe(true);
      }),
    );
  });
});
