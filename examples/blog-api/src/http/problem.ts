import { STATUS_CODES } from 'node:http';
import type { Logger } from '@pando/core';
import { problemOf } from '@pando/core/http';
import { ApiError, InvalidInputError } from '../errors.js';
import type { Answer } from './route.js';

/** The answer to whatever was thrown, as a problem document (RFC 9457). What only we can do something about is logged. */
export function problemAnswer(error: unknown, logger: Logger): Answer {
  const known = problemOf(error);
  if (known !== undefined) {
    if (known.status >= 500) logger.error({ err: error }, 'A request failed.');
    return known;
  }
  if (error instanceof ApiError) {
    const errors = error instanceof InvalidInputError ? error.fields : undefined;
    return problem(error.status, error.message, errors);
  }
  const status = statusOf(error);
  if (status !== undefined) return problem(status, details[status]);
  logger.error({ err: error }, 'A request failed.');
  return problem(500, 'This is our fault. It has been logged.');
}

/** The refusal of a body in a format that nobody reads. */
export function unsupportedBody(): ApiError {
  return new ApiError(415, 'The body must be sent as application/json.');
}

/** The answer on paths that nobody serves. */
export function noSuchRoute(method: string, url: string): Answer {
  return problem(404, `There is nothing at ${method} ${url.split('?', 1)[0]}.`);
}

function problem(
  status: number,
  detail: string | undefined,
  errors?: Readonly<Record<string, string>>,
): Answer {
  const body = { type: 'about:blank', title: STATUS_CODES[status], status, detail, errors };
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    },
    body: JSON.stringify(body),
  };
}

/** What the frameworks and their body parsers refuse by themselves. */
function statusOf(error: unknown): number | undefined {
  const { statusCode } = (error ?? {}) as { readonly statusCode?: unknown };
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode <= 499 ? statusCode : undefined;
}

const details: Readonly<Record<number, string>> = {
  400: 'The request cannot be read. Is its body valid JSON, and its path correctly encoded?',
  413: 'The body is too large.',
  415: unsupportedBody().message,
};
