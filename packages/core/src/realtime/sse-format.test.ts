import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SseReader } from '../testing/suites/realtime/sse-reader.js';
import { formatSseEvent, formatSseRetry, sseHeartbeat } from './sse-format.js';

const nasty = fc.string({
  unit: fc.constantFrom(
    '\r',
    '\n',
    '\0',
    ':',
    ' ',
    'data: ',
    'id: 9',
    'event: x',
    'retry: 1',
    'é',
    '𝄞',
    '\u2028',
    'a',
  ),
});
const text = fc.oneof(nasty, fc.string({ unit: 'grapheme' }));
const oneLine = text.filter((value) => !/[\r\n\0]/.test(value));

const normal = (data: string): string => data.replace(/\r\n|\r/g, '\n');

describe('an encoded event', () => {
  it('is exactly one event with the same data, type and id, whatever the data holds', () => {
    fc.assert(
      fc.property(
        text,
        fc.option(oneLine, { nil: undefined }),
        fc.option(oneLine, { nil: undefined }),
        (data, event, id) => {
          const reader = new SseReader();
          reader.push(Buffer.from(formatSseEvent({ data, event, id })));
          expect(reader.events).toEqual([
            { type: event || 'message', data: normal(data), lastEventId: id ?? '' },
          ]);
          expect(reader.retryMs).toBeUndefined();
        },
      ),
    );
  });

  it('arrives the same, cut at any byte', () => {
    const stream = Buffer.from(
      [
        formatSseRetry(2_500.4),
        ': ok\n\n',
        formatSseEvent({ id: '5-0~a', data: '{"text":"zwei\\nZeilen 𝄞"}' }),
        sseHeartbeat,
        formatSseEvent({ event: 'reset', id: '6-0~a', data: 'a\r\nb\rc\n' }),
        formatSseEvent({ event: 'cursor', id: 'c1~a!xyz', data: '' }),
      ].join(''),
    );
    const whole = new SseReader();
    whole.push(stream);
    expect(whole.events.map(({ type }) => type)).toEqual(['message', 'reset', 'cursor']);
    expect(whole.retryMs).toBe(2_500);
    expect(whole.lastEventId).toBe('c1~a!xyz');
    for (let cut = 0; cut <= stream.length; cut++) {
      const reader = new SseReader();
      reader.push(stream.subarray(0, cut));
      reader.push(stream.subarray(cut));
      expect(reader.events, `cut at ${cut}`).toEqual(whole.events);
    }
    const bytewise = new SseReader();
    for (const byte of stream) bytewise.push(Uint8Array.of(byte));
    expect(bytewise.events).toEqual(whole.events);
  });

  it('moves no position until the whole of it has arrived', () => {
    const first = formatSseEvent({ id: '1-0~a', data: '1' });
    const bytes = Buffer.from(first + formatSseEvent({ id: '2-0~a', data: '2' }));
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new SseReader();
      reader.push(bytes.subarray(0, cut));
      expect(reader.lastEventId).toBe(cut < first.length ? '' : cut < bytes.length ? '1-0~a' : '2-0~a');
      expect(reader.events).toHaveLength(cut < first.length ? 0 : cut < bytes.length ? 1 : 2);
    }
  });

  it('is refused when its type or id could be read as something else', () => {
    for (const bad of ['a\nb', 'a\rb', 'a\0b']) {
      expect(() => formatSseEvent({ event: bad, data: '' })).toThrow(TypeError);
      expect(() => formatSseEvent({ id: bad, data: '' })).toThrow(TypeError);
    }
  });
});
