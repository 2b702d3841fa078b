import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryToken } from './arbitrary-token.js';
import {
  cacheToken,
  coversToken,
  dbToken,
  emptyToken,
  isEmptyToken,
  isStrongToken,
  mergeTokens,
  pendingToken,
  replaceCachePosition,
  withoutPending,
} from './token.js';

const at = (lsn: bigint, timeline = 1, system = 's') => dbToken({ shard: 'main', system, timeline, lsn });

describe('mergeTokens', () => {
  it('is idempotent, commutative and associative', () => {
    fc.assert(
      fc.property(arbitraryToken, arbitraryToken, arbitraryToken, (a, b, c) => {
        expect(mergeTokens(a, a)).toEqual(a);
        expect(mergeTokens(a, structuredClone(a))).toEqual(a);
        expect(mergeTokens(a, b)).toEqual(mergeTokens(b, a));
        expect(mergeTokens(mergeTokens(a, b), c)).toEqual(mergeTokens(a, mergeTokens(b, c)));
        expect(mergeTokens(a, emptyToken)).toEqual(a);
      }),
    );
  });

  it('covers both of its arguments, and nothing smaller does', () => {
    fc.assert(
      fc.property(arbitraryToken, arbitraryToken, arbitraryToken, (a, b, other) => {
        const merged = mergeTokens(a, b);
        expect(coversToken(merged, a) && coversToken(merged, b)).toBe(true);
        if (coversToken(other, a) && coversToken(other, b)) expect(coversToken(other, merged)).toBe(true);
      }),
    );
  });

  it('orders database positions by timeline before log position', () => {
    expect(mergeTokens(at(900n, 1), at(5n, 2))).toEqual(at(5n, 2));
    expect(coversToken(at(5n, 2), at(900n, 1))).toBe(true);
    expect(coversToken(at(900n, 1), at(5n, 2))).toBe(false);
  });

  it('keeps positions of different systems and different epochs apart', () => {
    expect(mergeTokens(at(5n, 1, 'a'), at(9n, 1, 'b')).db).toHaveLength(2);
    const two = mergeTokens(cacheToken({ epoch: 'a', sequence: 9 }), cacheToken({ epoch: 'b', sequence: 1 }));
    expect(two.cache).toEqual([
      { epoch: 'a', sequence: 9 },
      { epoch: 'b', sequence: 1 },
    ]);
  });
});

describe('coversToken', () => {
  it('is reflexive and transitive, and everything covers the empty token', () => {
    fc.assert(
      fc.property(arbitraryToken, arbitraryToken, arbitraryToken, (a, b, c) => {
        expect(coversToken(a, a)).toBe(true);
        expect(coversToken(a, emptyToken)).toBe(true);
        const ab = mergeTokens(a, b);
        expect(coversToken(mergeTokens(ab, c), a)).toBe(true);
      }),
    );
  });
});

describe('the other operations', () => {
  it('replace the cache position and nothing else', () => {
    const token = mergeTokens(
      mergeTokens(at(5n), cacheToken({ epoch: 'old', sequence: 9 })),
      cacheToken({ epoch: 'older', sequence: 1 }),
    );
    expect(replaceCachePosition(token, { epoch: 'new', sequence: 0 })).toEqual(
      mergeTokens(at(5n), cacheToken({ epoch: 'new', sequence: 0 })),
    );
  });

  it('forget a pending row once it is settled', () => {
    const token = mergeTokens(pendingToken('1'), pendingToken('2'));
    expect(withoutPending(token, '1')).toEqual(pendingToken('2'));
    expect(withoutPending(token, 'unknown')).toBe(token);
  });

  it('tell the empty and the strong token', () => {
    expect(isEmptyToken(emptyToken)).toBe(true);
    expect(isEmptyToken(pendingToken('1'))).toBe(false);
    expect(isStrongToken({ ...emptyToken, opaque: ['2.x.y'] })).toBe(true);
    expect(isStrongToken(at(1n))).toBe(false);
  });
});
