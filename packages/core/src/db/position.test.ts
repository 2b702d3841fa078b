import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { covers, endOfLastRecord, formatLsn, type Position, parseLsn, serves } from './position.js';

const at = (timeline: number, lsn: bigint, system = 's1'): Position => ({ system, timeline, lsn });
const arbitraryLsn = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const segmentBytes = 16n * 1_024n * 1_024n;

describe('log positions', () => {
  it("are read and written in Postgres' notation", () => {
    expect(parseLsn('16/B374D848')).toBe(0x16_b374_d848n);
    expect(formatLsn(0x16_b374_d848n)).toBe('16/B374D848');
    expect(parseLsn('0/0')).toBe(0n);
    fc.assert(fc.property(arbitraryLsn, (lsn) => parseLsn(formatLsn(lsn)) === lsn));
  });

  it('cover each other only where timeline and bytes have both been reached', () => {
    expect(covers(at(1, 100n), at(1, 100n))).toBe(true);
    expect(covers(at(1, 99n), at(1, 100n))).toBe(false);
    // A standby that was ahead of the promoted one: more bytes, another history.
    expect(covers(at(1, 900n), at(2, 100n))).toBe(false);
    // A standby that follows the promoted one, and has not replayed up to the fork yet.
    expect(covers(at(2, 50n), at(1, 100n))).toBe(false);
    expect(covers(at(1, 100n, 's2'), at(1, 100n))).toBe(false);
  });

  it('are served only from the present history', () => {
    const history = { system: 's1', timeline: 2 };
    expect(serves(at(2, 5n), undefined, history)).toBe(true);
    expect(serves(at(1, 5n), undefined, history)).toBe(false);
    expect(serves(at(3, 5n), undefined, history)).toBe(false);
    expect(serves(at(2, 5n, 's2'), undefined, history)).toBe(false);
    expect(serves(at(2, 5n), at(2, 6n), history)).toBe(false);
    expect(serves(undefined, undefined, history)).toBe(false);
    expect(serves(at(2, 5n), undefined, undefined)).toBe(false);
  });
});

describe('the end of the last record', () => {
  it('is before the header of a page that nothing was written to', () => {
    const page = 5n * segmentBytes + 3n * 8_192n;
    expect(endOfLastRecord(page + 24n, segmentBytes)).toBe(page);
    expect(endOfLastRecord(5n * segmentBytes + 40n, segmentBytes)).toBe(5n * segmentBytes);
  });

  it('is the insert position anywhere else', () => {
    const isHeader = (lsn: bigint) => lsn % segmentBytes === 40n || lsn % 8_192n === 24n;
    fc.assert(
      fc.property(arbitraryLsn, (lsn) => isHeader(lsn) || endOfLastRecord(lsn, segmentBytes) === lsn),
    );
  });
});
