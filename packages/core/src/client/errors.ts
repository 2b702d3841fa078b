import { PandoError } from '../kernel/errors.js';

/**
 * The server does not want this client, and says so with a status or a close code: the connection has ended for good.
 *
 * Sign in again, and connect anew. `status` is that of the answer, or the close code; docs/reference/close-codes.md
 * lists these.
 */
export class ConnectionRefusedError extends PandoError {
  constructor(status: number, reason: string) {
    super({
      code: 'PANDO_CLIENT_CONNECTION_REFUSED',
      message: `Refused with ${status} ${reason}`,
      status,
    });
  }
}

/**
 * The server does not let this client follow a channel, or no longer.
 *
 * Subscribe again once its user may.
 */
export class SubscriptionRefusedError extends PandoError {
  readonly channel: string;

  constructor(channel: string, reason: string) {
    super({
      code: 'PANDO_CLIENT_SUBSCRIPTION_REFUSED',
      message: `${channel}: ${reason}`,
    });
    this.channel = channel;
  }
}

/**
 * The server did not do what it was asked.
 *
 * If `retryable`, ask again; with the same `key`, a message is published once.
 */
export class RequestRefusedError extends PandoError {
  /** As in the wire protocol: `forbidden`, `too-large`, `unavailable`, … */
  readonly reason: string;

  constructor(reason: string, explanation: string) {
    super({
      code: 'PANDO_CLIENT_REQUEST_REFUSED',
      message: `${reason}: ${explanation}`,
      retryable: reason === 'unavailable',
    });
    this.reason = reason;
  }
}

/**
 * The connection cannot do this: an event stream goes one way only.
 *
 * Connect with `transport: 'ws'`, or ask a route of the server.
 */
export class UnsupportedError extends PandoError {
  constructor() {
    super({
      code: 'PANDO_CLIENT_UNSUPPORTED',
      message: "A stream goes one way. Connect with transport: 'ws'.",
    });
  }
}

/**
 * An attempt to connect failed, or what came was not what it should be: the client tries again.
 *
 * Nothing needs to be done; if it goes on, the message says what the server answers.
 */
export class ConnectionFailedError extends PandoError {
  constructor(message: string, cause?: unknown) {
    super({ code: 'PANDO_CLIENT_CONNECTION_FAILED', message, cause, retryable: true });
  }
}
