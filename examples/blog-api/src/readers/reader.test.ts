import { describe, expect, it } from 'vitest';
import { readerOf } from './reader.js';

const ada = { id: 7, email: 'ada@example.com', name: 'Ada', plan: 'premium' } as const;

describe('a reader', () => {
  it('who is signed in is listed by name, and by nothing that is theirs alone', () => {
    expect(readerOf(ada, undefined)).toEqual({ id: 'user:7', info: { name: 'Ada' } });
    expect(readerOf(ada, 'a-key-of-a-browser')).toEqual(readerOf(ada, undefined));
  });

  it('who is a guest is told from others by the key of their browser', () => {
    expect(readerOf(undefined, 'a-key-of-a-browser')).toEqual({
      id: 'guest:a-key-of-a-browser',
      info: { name: 'Guest' },
    });
  });

  it.each([undefined, '', 'short', 'x'.repeat(65), 'user:7          ', ['a-key-of-a-browser']])(
    'with the key %j is counted without being listed',
    (visitor) => {
      expect(readerOf(undefined, visitor)).toEqual({});
    },
  );
});
