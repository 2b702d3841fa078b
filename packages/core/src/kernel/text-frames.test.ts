import type { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ws from 'ws';
import { textFrame, textMessages } from './text-frames.js';

/** The part of ws that reads; its types leave it out. */
const { Receiver } = ws as unknown as { readonly Receiver: new (options: object) => Writable };

/** What ws makes of bytes that arrive in these pieces. */
function read(...pieces: readonly Buffer[]): string[] {
  const receiver = new Receiver({ isServer: false, allowSynchronousEvents: true });
  const messages: string[] = [];
  receiver.on('message', (data: Buffer, isBinary: boolean) =>
    messages.push(isBinary ? 'binary' : String(data)),
  );
  receiver.on('error', (cause: Error) => messages.push(`error: ${cause.message}`));
  for (const piece of pieces) receiver.write(piece);
  return messages;
}

describe('a text message', () => {
  it.each([
    [0, '8100'],
    [1, '8101'],
    [125, '817d'],
    [126, '817e007e'],
    [127, '817e007f'],
    [65_535, '817effff'],
    [65_536, '817f0000000000010000'],
  ])('of %i bytes has the head of RFC 6455', (length, head) => {
    const text = 'x'.repeat(length);
    const frame = textFrame(Buffer.from(text));
    expect(frame.subarray(0, frame.length - length).toString('hex')).toBe(head);
    expect(read(frame)).toEqual([text]);
  });

  it('is read the same wherever the network divides it', () => {
    const messages = ['', 'é\0\r\n𝄞', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(300)];
    const bytes = Buffer.concat(messages.map((message) => textFrame(Buffer.from(message))));
    for (let at = 0; at <= bytes.length; at++) {
      expect(read(bytes.subarray(0, at), bytes.subarray(at))).toEqual(messages);
    }
  });

  it('may be given in parts', () => {
    const whole = textFrame(Buffer.from('{"d":1}'));
    expect(textFrame(Buffer.from('{"d":'), Buffer.from('1'), Buffer.alloc(0), Buffer.from('}'))).toEqual(
      whole,
    );
  });
});

describe('frames', () => {
  it('give back the messages that went in, joined in any number, as ws does', () => {
    const long = fc.integer({ min: 65_530, max: 65_540 }).map((length) => 'x'.repeat(length));
    const message = fc.oneof({ weight: 8, arbitrary: fc.string({ unit: 'grapheme', maxLength: 200 }) }, long);
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), (messages) => {
        const frames = Buffer.concat(messages.map((text) => textFrame(Buffer.from(text))));
        expect([...textMessages(frames)].map(String)).toEqual(messages);
        expect(read(frames)).toEqual(messages);
      }),
      { numRuns: 50 },
    );
  });
});
