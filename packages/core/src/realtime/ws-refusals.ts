import { isPandoError } from '../kernel/errors.js';
import type { Overrun } from './connection.js';
import type { ErrorCode, RequestId, ServerFrame } from './ws-protocol.js';

/** What a client is told; the details are for the log. */
export const explanations = {
  'too-many-channels': 'This connection may not follow more channels.',
  'already-subscribed': 'This connection follows the channel already.',
  'not-subscribed': 'This connection does not follow the channel.',
  forbidden: 'Not allowed.',
  'too-large': 'The event is larger than the limit.',
  unavailable: 'Not possible right now. Try again; with the same key, an event is published once.',
  'rate-limited': 'Too many messages.',
  failed: 'Something failed on our side.',
} satisfies Partial<Record<ErrorCode, string>>;

/** Says that something was beyond a limit. */
export function overrunFrame(
  { retryAfterMs }: Overrun,
  id: RequestId | undefined,
  c: string | undefined,
): ServerFrame {
  const code = 'rate-limited';
  return { t: 'err', id, c, code, message: explanations[code], retryAfterMs: Math.ceil(retryAfterMs) };
}

/** Why a call of the room was not carried out, as its client may know it. */
export function codeOf(cause: unknown): 'too-large' | 'forbidden' | 'unavailable' | 'failed' {
  if (isPandoError(cause, 'PANDO_REALTIME_EVENT_TOO_LARGE')) return 'too-large';
  if (isPandoError(cause, 'PANDO_REALTIME_ROLE')) return 'forbidden';
  return isPandoError(cause, 'PANDO_REALTIME_UNAVAILABLE') || isPandoError(cause, 'PANDO_CLOSED')
    ? 'unavailable'
    : 'failed';
}
