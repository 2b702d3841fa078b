/** One way in which Pando ends a WebSocket connection. */
export interface CloseCode {
  readonly code: number;
  /** Sent as the reason of the closing handshake. */
  readonly reason: string;
  /** Whether the client should come back, with its positions. */
  readonly reconnect: boolean;
  readonly meaning: string;
}

/** Every code with which Pando closes a WebSocket. A client that finds another one treats it as a lost connection. */
export const closeCodes = Object.freeze({
  goingAway: { code: 1001, reason: 'going-away', reconnect: true, meaning: 'The instance is closing.' },
  tooLarge: {
    code: 1009,
    reason: 'too-large',
    reconnect: false,
    meaning: 'A message was larger than the limit.',
  },
  rateLimited: {
    code: 1008,
    reason: 'rate-limited',
    reconnect: true,
    meaning: 'The client was told that it sends more than it may, and went on.',
  },
  failed: { code: 1011, reason: 'failed', reconnect: true, meaning: "The application's own handler failed." },
  restart: {
    code: 1012,
    reason: 'restart',
    reconnect: true,
    meaning: 'The instance drains: another one takes over.',
  },
  full: {
    code: 1013,
    reason: 'full',
    reconnect: true,
    meaning: 'The instance has as many connections as it may.',
  },
  protocol: {
    code: 4400,
    reason: 'protocol',
    reconnect: false,
    meaning: 'The client sent what is not a frame.',
  },
  expired: {
    code: 4401,
    reason: 'expired',
    reconnect: true,
    meaning: 'What the client showed to connect has expired: come back with what is fresh.',
  },
  forbidden: {
    code: 4403,
    reason: 'forbidden',
    reconnect: false,
    meaning: 'The application has disconnected the user.',
  },
  slow: { code: 4408, reason: 'slow', reconnect: true, meaning: 'The client did not read for too long.' },
  reset: {
    code: 4409,
    reason: 'reset',
    reconnect: true,
    meaning: 'Raw mode only: messages may be missing, so read the state afresh.',
  },
  idle: {
    code: 4410,
    reason: 'idle',
    reconnect: true,
    meaning: 'The client connected and asked for nothing: it should connect when it wants something.',
  },
  flood: {
    code: 4429,
    reason: 'flood',
    reconnect: true,
    meaning: 'The client sent faster than it could be served.',
  },
} satisfies Record<string, CloseCode>);

/** Whether a client that finds this code comes back. */
export function bringsBack(code: number): boolean {
  return Object.values<CloseCode>(closeCodes).some((known) => known.code === code && known.reconnect);
}
