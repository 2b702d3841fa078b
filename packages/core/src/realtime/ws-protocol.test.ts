import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatServerFrame, parseClientFrame } from './ws-protocol.js';

const parse = (frame: unknown) => parseClientFrame(JSON.stringify(frame));

describe('frames of a client', () => {
  it('are read as what they ask for', () => {
    expect(parse({ t: 'sub', id: 1, c: ['a', 'b', 'a'], since: { a: '5-0~x', c: 'other' } })).toEqual({
      t: 'sub',
      id: 1,
      channels: ['a', 'b'],
      since: new Map([['a', '5-0~x']]),
      presence: false,
    });
    expect(parse({ t: 'sub', c: ['a', 'a#p'], presence: true })).toEqual({
      t: 'sub',
      id: undefined,
      channels: ['a', 'a#p'],
      since: new Map(),
      presence: true,
    });
    expect(parse({ t: 'presence', id: 4, c: 'a' })).toEqual({ t: 'presence', id: 4, channel: 'a' });
    expect(parse({ t: 'unsub', id: 'x', c: 'a' })).toEqual({ t: 'unsub', id: 'x', channels: ['a'] });
    expect(parse({ t: 'pub', id: 2, c: 'a', d: null, key: 'k' })).toEqual({
      t: 'pub',
      id: 2,
      channel: 'a',
      data: null,
      key: 'k',
    });
    expect(parse({ t: 'ping' })).toEqual({ t: 'ping', id: undefined });
  });

  it('may have members that we do not know yet', () => {
    expect(parse({ t: 'ping', id: 3, later: true })).toEqual({ t: 'ping', id: 3 });
  });

  it('end the connection only when they are no frames at all', () => {
    for (const text of ['', 'nonsense', '[]', '1', 'null', '"sub"', '{"t":']) {
      expect(parseClientFrame(text), text).toMatchObject({ t: 'refused', code: 'malformed', isFatal: true });
    }
    expect(parse({ t: 'later', id: 7 })).toMatchObject({
      t: 'refused',
      id: 7,
      code: 'unknown-type',
      isFatal: false,
    });
  });

  it('are refused, each for its reason', () => {
    const codes = (frames: readonly unknown[]) =>
      frames.map((frame) => (parse(frame) as { code?: string }).code);
    expect(
      codes([
        { t: 'sub' },
        { t: 'sub', c: [] },
        { t: 'sub', c: 'has space' },
        { t: 'sub', c: 'hidden#x' },
        { t: 'sub', c: '#p' },
        { t: 'pub', c: 'a#p', d: 1 },
        { t: 'presence', c: 'a#p' },
        { t: 'presence', c: ['a', 'b'] },
        { t: 'sub', c: ['ok', 5] },
        { t: 'sub', c: Array(1_025).fill('a') },
        { t: 'pub', c: 'a\n', d: 1 },
      ]),
    ).toEqual(Array(11).fill('invalid-channel'));
    expect(
      codes([
        { t: 'sub', c: 'a', since: [] },
        { t: 'sub', c: 'a', since: { a: 5 } },
        { t: 'sub', c: 'a', presence: 'yes' },
        { t: 'pub', c: 'a' },
        { t: 'pub', c: 'a', d: 1, key: '' },
        { t: 'ping', id: {} },
        { t: 'ping', id: 'x'.repeat(65) },
      ]),
    ).toEqual(Array(7).fill('malformed'));
  });

  it('cannot reach what every object inherits', () => {
    expect(parse({ t: 'sub', c: ['__proto__', 'constructor', 'toString'], since: {} })).toMatchObject({
      since: new Map(),
    });
    expect(parseClientFrame('{"t":"sub","c":"__proto__","since":{"__proto__":"5-0~x"}}')).toMatchObject({
      since: new Map([['__proto__', '5-0~x']]),
    });
    expect(parseClientFrame('{"__proto__":{"t":"ping"}}')).toMatchObject({ code: 'unknown-type' });
  });

  it('never throw, whatever they are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseClientFrame(text)),
      { numRuns: 1_000 },
    );
    const odd = fc.record({
      t: fc.constantFrom('sub', 'unsub', 'pub', 'ping', 1),
      id: fc.jsonValue(),
      c: fc.jsonValue(),
      d: fc.jsonValue(),
      since: fc.jsonValue(),
      key: fc.jsonValue(),
    });
    fc.assert(fc.property(odd, (frame) => void parse(frame)));
  });
});

describe('frames of the server', () => {
  it('leave absent members out', () => {
    const frame = formatServerFrame({ t: 'err', id: undefined, c: undefined, code: 'failed', message: 'no' });
    expect(frame.toString()).toBe('{"t":"err","code":"failed","message":"no"}');
  });
});
