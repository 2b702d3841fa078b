import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseEvents } from './sse-parser.js';

interface SseEvent {
  readonly type: string;
  readonly data: string;
  readonly id: string | undefined;
}

function read(...chunks: readonly string[]): { events: SseEvent[]; retryMs: number | undefined } {
  const events: SseEvent[] = [];
  let retryMs: number | undefined;
  const parse = parseEvents(
    (type, data, id) => void events.push({ type, data, id }),
    (delayMs) => {
      retryMs = delayMs;
    },
  );
  for (const chunk of chunks) parse(chunk);
  return { events, retryMs };
}

const message = (data: string, id?: string, type = 'message'): SseEvent => ({ type, id, data });

// After web-platform-tests, eventsource/format-*.any.js.
it.each<[string, string, SseEvent[]]>([
  ['a comment', ':\n\n: ok\n\ndata: x\n\n', [message('x')]],
  ['several lines of data', 'data: one\ndata: two\ndata\n\n', [message('one\ntwo\n')]],
  ['one space after the colon, which is left out', 'data:  x\ndata:y\n\n', [message(' x\ny')]],
  ['a colon in the data', 'data: a:b\n\n', [message('a:b')]],
  [
    'a type, for one event',
    'event: cursor\nid: 7\ndata:\n\ndata: x\n\n',
    [message('', '7', 'cursor'), message('x')],
  ],
  ['lines that end in CR, once something follows', 'data: x\r\rdata: y\r\r:', [message('x'), message('y')]],
  ['lines that end in CR LF', 'data: x\r\n\r\ndata: y\r\n\r\n', [message('x'), message('y')]],
  ['a block without data', 'event: nothing\nid: 3\n\ndata: x\n\n', [message('x')]],
  ['fields that are not known', 'Data: x\n data: y\ndata: z\n\n', [message('z')]],
  ['an id with NUL', 'id: a\0b\ndata: x\n\n', [message('x')]],
  ['a block that is not complete', 'data: x\n\ndata: y\n', [message('x')]],
])('reads %s', (_what, text, events) => {
  expect(read(text).events).toEqual(events);
});

it('takes a time to wait if it is one', () => {
  expect(read('retry: 3000\n\n').retryMs).toBe(3_000);
  expect(read('retry: 3000\n\nretry: 3e3\n\nretry: -1\n\nretry:\n\n').retryMs).toBe(3_000);
});

it('reads the same however the text is cut', () => {
  const line = fc.constantFrom('data: x', 'data:', 'id: 1', 'event: e', ': c', 'retry: 9', '');
  const end = fc.constantFrom('\n', '\r', '\r\n');
  const text = fc.array(fc.tuple(line, end), { maxLength: 20 }).map((lines) => lines.flat().join(''));
  fc.assert(
    fc.property(text, fc.array(fc.nat(200), { maxLength: 6 }), (whole, places) => {
      const cuts = [0, ...places.sort((a, b) => a - b), whole.length];
      const parts = cuts.slice(1).map((to, index) => whole.slice(cuts[index], to));
      expect(read(...parts, '')).toEqual(read(whole));
    }),
  );
});
