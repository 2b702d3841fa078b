import { createHmac, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryToken } from './arbitrary-token.js';
import { dbToken, emptyToken, isStrongToken, manyOthers, manyRows, mergeTokens } from './token.js';
import { createTokenCodec } from './token-codec.js';

const codec = createTokenCodec('app', () => 'fleet secret');
const sample = dbToken({ shard: 'main', system: '7312345678901234567', timeline: 3, lsn: 0x16_b374_d848n });

/** What a newer release of the same fleet would write. */
const newer = (body: string): string => {
  const mac = createHmac('sha256', 'fleet secret').update(`app\0z9.${body}`).digest().subarray(0, 16);
  return `z9.${body}.${mac.toString('base64url')}`;
};

describe('the token codec', () => {
  it('gives back every token it wrote', () => {
    fc.assert(
      fc.property(
        arbitraryToken,
        (token) => void expect(codec.decode(codec.encode(token))).toEqual({ kind: 'token', token }),
      ),
    );
  });

  it('uses only characters that may stand in a cookie value and a header', () => {
    fc.assert(
      fc.property(
        arbitraryToken,
        (token) => void expect(codec.encode(token)).toMatch(/^[A-Za-z0-9._~*!-]+$/),
      ),
    );
  });

  it('needs about a hundred bytes for one database', () => {
    expect(codec.encode(sample).length).toBeLessThan(100);
  });

  it('ignores whatever was not signed by this fleet for this kit', () => {
    const text = codec.encode(sample);
    expect(createTokenCodec('app', () => 'another secret').decode(text)).toEqual({ kind: 'foreign' });
    expect(createTokenCodec('other', () => 'fleet secret').decode(text)).toEqual({ kind: 'foreign' });
  });

  it('never throws and never believes an altered token', () => {
    const text = codec.encode(sample);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (index, char) => {
        const altered = text.slice(0, index) + char + text.slice(index + 1);
        if (altered === text) return;
        const decoded = codec.decode(altered);
        // The last character of the signature has spare bits: the same bytes in another spelling are still ours.
        if (decoded.kind === 'token') expect(decoded.token).toEqual(sample);
      }),
    );
    fc.assert(fc.property(fc.string(), (noise) => void expect(codec.decode(noise).kind).not.toBe('token')));
  });

  it('writes nothing that it would not read, however much is pending', () => {
    const rows = Array.from({ length: 500 }, () => randomUUID());
    const others = Array.from({ length: 500 }, (_, index) => `c${index}`);
    const pendingIn = (...pending: string[]) => {
      const decoded = codec.decode(codec.encode({ ...emptyToken, pending: pending.sort() }));
      return decoded.kind === 'token' ? decoded.token.pending : decoded.kind;
    };
    expect(pendingIn(...rows)).toEqual([manyRows]);
    expect(pendingIn(...rows.slice(0, 16)).length).toBe(16);
    expect(pendingIn(...rows, manyRows, ...others)).toEqual([manyRows, manyOthers]);
    expect(pendingIn(...rows, 'c1', manyOthers)).toEqual([manyRows, manyOthers, 'c1']);
  });

  it('ignores tokens of absurd length without working on them', () => {
    expect(codec.decode('1.'.padEnd(100_000, 'a'))).toEqual({ kind: 'malformed' });
  });

  it('reads a signed token of a newer release as the strictest, and passes it on unchanged', () => {
    const text = newer('whatever-comes');
    const decoded = codec.decode(text);
    expect(decoded).toEqual({ kind: 'token', token: { ...emptyToken, opaque: [text] } });
    if (decoded.kind !== 'token') return;
    expect(isStrongToken(decoded.token)).toBe(true);
    expect(codec.encode(decoded.token)).toBe(text);
    const merged = mergeTokens(decoded.token, sample);
    expect(codec.decode(codec.encode(merged))).toEqual({ kind: 'token', token: merged });
  });

  it('refuses a newer release signed by somebody else', () => {
    expect(codec.decode(`${newer('x').slice(0, -22)}${'A'.repeat(22)}`)).toEqual({ kind: 'foreign' });
  });
});
