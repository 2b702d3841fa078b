import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packHeader, packMessage, unpackEntry } from './packing.js';

const messages = fc.array(
  fc.record({
    token: fc.string({ unit: 'binary' }),
    event: fc.jsonValue(),
    traceparent: fc.constantFrom('', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`),
  }),
  {
    minLength: 1,
    maxLength: 5,
  },
);

const pack = (
  publishedBy: string,
  list: readonly { token: string; event: unknown; traceparent?: string }[],
): Buffer =>
  Buffer.concat([
    Buffer.from(packHeader(publishedBy)),
    ...list.map(({ token, event, traceparent }) => packMessage(token, JSON.stringify(event), traceparent)),
  ]);

describe('an entry', () => {
  it('holds its messages unchanged, whatever is in them', () => {
    fc.assert(
      fc.property(messages, (list) => {
        const entry = unpackEntry(pack('node-1', list));
        expect(entry?.publishedBy).toBe('node-1');
        expect(
          entry?.messages.map(({ data, ...rest }) => ({ ...rest, event: JSON.parse(data.toString()) })),
        ).toEqual(
          list.map(({ token, event, traceparent }) => ({
            traceparent,
            token: Buffer.from(token).toString(), // lone surrogates have no UTF-8 form
            event: JSON.parse(JSON.stringify(event)),
          })),
        );
      }),
    );
  });

  it('is refused when it was cut short, except between two messages', () => {
    const list = [
      { token: 'abc', event: { text: 'é', n: 1 } },
      { token: '', event: 'x:1,2', traceparent: 'from here' },
    ];
    const whole = pack('node', list);
    const firstEnds = pack('node', list.slice(0, 1)).length;
    for (let length = 0; length < whole.length; length++) {
      const cut = unpackEntry(whole.subarray(0, length));
      if (length === firstEnds) expect(cut?.messages).toHaveLength(1);
      else expect(cut, `cut at ${length}`).toBeUndefined();
    }
  });

  it('is refused in another version', () => {
    const entry = pack('node', [{ token: '', event: 1 }]);
    entry[0] = '2'.charCodeAt(0);
    expect(unpackEntry(entry)).toBeUndefined();
  });

  it('never throws on garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        unpackEntry(Buffer.from(bytes));
        unpackEntry(Buffer.concat([Buffer.from('1n\n'), Buffer.from(bytes)]));
      }),
    );
  });

  it('cannot be broken out of by the name of its publisher', () => {
    const entry = Buffer.concat([Buffer.from(packHeader('a\nb c\0é')), packMessage('', '1')]);
    expect(unpackEntry(entry)).toMatchObject({ publishedBy: 'a_b_c__', messages: [{ token: '' }] });
  });
});
