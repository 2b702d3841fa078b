import { describe, expect, it } from 'vitest';
import { ApiError, InvalidInputError, NotFoundError } from '../errors.js';
import { InputReader, readId, readRequestKey } from './input.js';

describe('a JSON body', () => {
  it('gives its texts without the white space around them, unless that belongs to them', () => {
    const input = new InputReader({ title: '  Roots ', password: ' my pass ' });
    expect(input.text('title', { max: 10 })).toBe('Roots');
    expect(input.text('password', { min: 8, max: 20, verbatim: true })).toBe(' my pass ');
    input.done();
  });

  it('is refused with a complaint for every field at once', () => {
    const input = new InputReader({
      title: ' ',
      body: 'x'.repeat(11),
      name: 7,
      nul: 'a\0b',
      email: 'me@home',
    });
    for (const name of ['title', 'body', 'name', 'nul']) input.text(name, { max: 10 });
    input.text('password', { min: 8, max: 20 });
    input.email('email');
    expect.assertions(2);
    try {
      input.done();
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidInputError);
      expect((error as InvalidInputError).fields).toEqual({
        title: 'must have 1 to 10 characters',
        body: 'must have 1 to 10 characters',
        name: 'is required and must be text',
        nul: 'must not hold the character U+0000',
        password: 'is required and must be text',
        email: 'must be an e-mail address',
      });
    }
  });

  it('takes e-mail addresses in any case as one', () => {
    expect(new InputReader({ email: ' Ada@Example.COM ' }).email('email')).toBe('ada@example.com');
  });

  it.each([undefined, null, 'text', 7, []])('is refused when it is %j', (body) => {
    expect(() => new InputReader(body)).toThrow(ApiError);
  });
});

describe('a number in a path', () => {
  it('is read', () => {
    expect(readId('42', 'post')).toBe(42);
  });

  it.each(['0', '-1', '1e3', 'abc', '2147483648', '99999999999', undefined])(
    'names nothing when it is %j',
    (text) => {
      expect(() => readId(text, 'post')).toThrow(NotFoundError);
    },
  );
});

describe('the key of a request', () => {
  it('is read from its header, and may be left out', () => {
    const key = '0b6f1a52-3c1e-4f0e-9d52-2f8f0a7c1d11';
    expect(readRequestKey({ 'idempotency-key': key })).toBe(key);
    expect(readRequestKey({})).toBeUndefined();
  });

  it.each(['', 'short', 'x'.repeat(65), 'with white space in it'])('is refused when it is %j', (key) => {
    expect(() => readRequestKey({ 'idempotency-key': key })).toThrow(/^Idempotency-Key must be 16 to 64/);
  });
});
