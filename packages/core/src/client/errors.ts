import { PandoError } from '../kernel/errors.js';

/**
 * The server does not want this, and says so: a request, where it rejects one; else to follow `channel`; else this
 * client at all, whose connection has ended for good then.
 *
 * If `retryable`, ask again: with the same `key`, a message is published once. Otherwise sign in again, and connect or
 * subscribe anew.
 */
export class RefusedError extends PandoError {
  /** As in the wire protocol: `forbidden`, `too-large`, `unavailable`, …; or what the server says in words. */
  readonly reason: string;
  /** The channel that is not to be followed. */
  readonly channel: string | undefined;

  constructor(message: string, reason: string, channel?: string, status?: number) {
    super({
      code: 'PANDO_CLIENT_REFUSED',
      message,
      retryable: reason === 'unavailable',
      status,
    });
    this.reason = reason;
    this.channel = channel;
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

/** The connection is refused; `status` is that of the answer, or the close code, as docs/reference/close-codes.md lists them. */
export function refusedWith(status: number, reason = ''): RefusedError {
  return new RefusedError(`Refused with ${status} ${reason}`, reason, undefined, status);
}
