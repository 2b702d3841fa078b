import type { ResetReason } from './message.js';

/** Why this instance ended a connection. */
export type EndReason =
  | 'drain'
  | 'close'
  | 'stuck'
  | 'dead'
  | 'protocol'
  | 'too-large'
  | 'flood'
  | 'rate-limited'
  | 'failed'
  | 'reset'
  | 'age'
  | 'expired'
  | 'forbidden'
  | 'revoked'
  | 'idle';

/** Why this instance did not take a connection. */
export type RefusalReason = 'draining' | 'role' | 'full' | 'user' | 'address' | 'invalid';

/** All of them. */
export const refusalReasons: readonly RefusalReason[] = [
  'draining',
  'role',
  'full',
  'user',
  'address',
  'invalid',
];

/** Which limit a client's message was beyond: that of its connection, or a policy. */
export type LimitReason = 'rate' | 'policy';

/** All of them. */
export const limitReasons: readonly LimitReason[] = ['rate', 'policy'];

/** Why a channel begins again for its readers. */
export const resetReasons: readonly ResetReason[] = [
  'trimmed',
  'history-lost',
  'failover',
  'slow',
  'malformed',
  'unreadable',
];
/** All of them. */
export const endReasons: readonly EndReason[] = [
  'drain',
  'close',
  'stuck',
  'dead',
  'protocol',
  'too-large',
  'flood',
  'rate-limited',
  'failed',
  'reset',
  'age',
  'expired',
  'forbidden',
  'revoked',
  'idle',
];
