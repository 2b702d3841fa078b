import { expect, test } from 'vitest';
import { PandoError } from '../kernel/errors.js';
import { DrainingError, LimitExceededError, LimitUnavailableError, StreamRefusedError } from './errors.js';
import { problemOf } from './problem.js';

const refused = {
  allowed: false,
  policy: 'write',
  limit: 60,
  remaining: 0,
  resetMs: 7_400,
  retryAfterMs: 7_400,
  source: 'memory',
} as const;

test('a used-up limit is a 429 that says when to come back', () => {
  const problem = problemOf(new LimitExceededError(refused));
  expect(problem?.status).toBe(429);
  expect(problem?.headers).toEqual({
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'retry-after': '8',
  });
  expect(JSON.parse(problem?.body ?? '')).toEqual({
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
    title: 'Too Many Requests',
    status: 429,
    detail: 'The limit "write" of 60 is used up. Try again in 8 s.',
    code: 'PANDO_HTTP_LIMIT_EXCEEDED',
    'violated-policies': ['write'],
    'retry-after-ms': expect.toSatisfy((ms: number) => ms >= 7_400 && ms <= 8_140),
  });
});

test('a limit that could not be asked is a 503: the client did nothing wrong', () => {
  const problem = problemOf(new LimitUnavailableError({ ...refused, source: 'closed', retryAfterMs: 0 }));
  expect(problem).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  expect(JSON.parse(problem?.body ?? '')).not.toHaveProperty('violated-policies');
});

test('messages that name hosts stay in the log', () => {
  const error = new PandoError({ code: 'PANDO_DB_X', message: 'primary db1:5432 is away', status: 503 });
  expect(JSON.parse(problemOf(error)?.body ?? '')).toEqual({
    type: 'about:blank',
    title: 'Service Unavailable',
    status: 503,
    code: 'PANDO_DB_X',
  });
});

test('messages that were made to be answers are shown', () => {
  expect(problemOf(new DrainingError())?.body).toContain('another instance will answer');
  expect(problemOf(new StreamRefusedError(401, 'Sign in.'))?.body).toContain('Sign in.');
});

test('what is not a Pando error with a status is left to others', () => {
  expect(problemOf(new Error('boom'))).toBeUndefined();
  expect(problemOf(new PandoError({ code: 'PANDO_X', message: 'no status' }))).toBeUndefined();
  expect(problemOf(undefined)).toBeUndefined();
});
