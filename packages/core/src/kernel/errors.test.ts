import { describe, expect, it } from 'vitest';
import { ClosedError, isPandoError, messageOf, PandoError, PandoOptionsError } from './errors.js';

describe('PandoError', () => {
  it('carries code, cause, retryable and status', () => {
    const cause = new Error('socket hang up');
    const error = new PandoError({
      code: 'PANDO_X',
      message: 'x failed',
      cause,
      retryable: true,
      status: 503,
    });
    expect(error).toMatchObject({
      code: 'PANDO_X',
      message: 'x failed',
      cause,
      retryable: true,
      status: 503,
    });
  });

  it('tells its status by both names that error handlers ask for', () => {
    expect(new ClosedError('cache')).toMatchObject({ status: 503, statusCode: 503 });
  });

  it('is named after its class and is not retryable unless said so', () => {
    expect(new ClosedError('cache').name).toBe('ClosedError');
    expect(new PandoOptionsError({ code: 'PANDO_OPTIONS', message: '' }).retryable).toBe(false);
  });
});

describe('isPandoError', () => {
  it('knows errors by their brand, so that another copy of the library is recognised', () => {
    const fromAnotherCopy = Object.assign(new Error('x'), {
      code: 'PANDO_X',
      [Symbol.for('pando.error')]: true,
    });
    expect(isPandoError(fromAnotherCopy)).toBe(true);
    expect(isPandoError(fromAnotherCopy, 'PANDO_X')).toBe(true);
    expect(isPandoError(fromAnotherCopy, 'PANDO_Y')).toBe(false);
  });

  it('refuses everything else', () => {
    for (const other of [new Error('x'), { code: 'PANDO_X' }, null, undefined, 'PANDO_X']) {
      expect(isPandoError(other)).toBe(false);
    }
  });
});

describe('messageOf', () => {
  it('finds words in whatever was thrown', () => {
    expect(messageOf(new Error('no'))).toBe('no');
    expect(messageOf('plain')).toBe('plain');
    expect(messageOf(new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')]))).toBe(
      '::1 refused; 127.0.0.1 refused',
    );
  });
});
