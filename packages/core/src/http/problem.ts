import { STATUS_CODES } from 'node:http';
import { isPandoError, type PandoError } from '../kernel/errors.js';
import type { HttpError, LimitExceededError } from './errors.js';
import type { AnswerHeaders } from './exchange.js';

/** A problem document (RFC 9457) with the status and headers it goes with. */
export interface Problem {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: string;
}

/** Problem types that IANA has registered. */
const types: Readonly<Record<string, string>> = Object.freeze({
  PANDO_HTTP_LIMIT_EXCEEDED: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  PANDO_HTTP_BANNED: 'https://iana.org/assignments/http-problem-types#abnormal-usage-detected',
  PANDO_HTTP_DRAINING: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
  PANDO_HTTP_OVERLOADED: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
  PANDO_HTTP_LIMIT_UNAVAILABLE: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
});

/**
 * The answer to a Pando error that nobody else has answered; undefined for all other errors.
 *
 * Messages of errors that were made to be answers are shown. Those of other errors name hosts, keys and settings, and
 * stay in the log: strangers get the code alone.
 */
export function problemOf(error: unknown): Problem | undefined {
  if (!isPandoError(error) || error.status === undefined) return undefined;
  const status = error.status;
  const detail = isHttpError(error) ? error.message : undefined;
  const body = {
    type: types[error.code] ?? 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    code: error.code,
    ...extrasOf(error),
  };
  return {
    status,
    headers: { ...(isHttpError(error) ? error.headers : {}), 'content-type': 'application/problem+json' },
    body: JSON.stringify(body),
  };
}

function extrasOf(error: PandoError): Readonly<Record<string, unknown>> {
  if (!isLimitExceeded(error)) return {};
  return { 'violated-policies': [error.quota], 'retry-after-ms': error.retryAfterMs };
}

// By shape: instanceof fails when two copies of the library are loaded.
const isHttpError = (error: PandoError): error is HttpError => 'headers' in error;
const isLimitExceeded = (error: PandoError): error is LimitExceededError =>
  error.code === 'PANDO_HTTP_LIMIT_EXCEEDED';
