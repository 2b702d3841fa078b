import { isPandoError } from '../kernel/errors.js';
import type { ErrorCode } from './ws-protocol.js';

/** What a client is told; the details are for the log. */
export const explanations = {
  'too-many-channels': 'This connection may not follow more channels.',
  'already-subscribed': 'This connection follows the channel already.',
  'not-subscribed': 'This connection does not follow the channel.',
  forbidden: 'Not allowed.',
  'too-large': 'The event is larger than the limit.',
  unavailable: 'Not possible right now. Try again; with the same key, an event is published once.',
  failed: 'Something failed on our side.',
} satisfies Partial<Record<ErrorCode, string>>;

/** Why a call of the room was not carried out, as its client may know it. */
export function codeOf(cause: unknown): 'too-large' | 'forbidden' | 'unavailable' | 'failed' {
  if (isPandoError(cause, 'PANDO_REALTIME_EVENT_TOO_LARGE')) return 'too-large';
  if (isPandoError(cause, 'PANDO_REALTIME_ROLE')) return 'forbidden';
  return isPandoError(cause, 'PANDO_REALTIME_UNAVAILABLE') || isPandoError(cause, 'PANDO_CLOSED')
    ? 'unavailable'
    : 'failed';
}
