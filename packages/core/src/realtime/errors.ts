import { messageOf, PandoError } from '../kernel/errors.js';

/**
 * A channel name that nobody can publish or subscribe to.
 *
 * Use 1 to 255 of the characters `A-Z a-z 0-9 _ : . - /`. Encode what comes from outside, and authorise it.
 */
export class InvalidChannelError extends PandoError {
  constructor(channel: unknown) {
    const shown = typeof channel === 'string' ? JSON.stringify(channel.slice(0, 80)) : typeof channel;
    super({
      code: 'PANDO_REALTIME_INVALID_CHANNEL',
      message: `A channel name is 1 to 255 of the characters A-Z a-z 0-9 _ : . - /, got ${shown}.`,
      status: 400,
    });
  }
}

/**
 * A connection asks for more channels than `realtime.maxChannelsPerConnection`.
 *
 * Use fewer, broader channels, split them over two connections, or raise the limit.
 */
export class TooManyChannelsError extends PandoError {
  constructor(count: number, limit: number) {
    super({
      code: 'PANDO_REALTIME_TOO_MANY_CHANNELS',
      message: `A connection follows at most ${limit} channels, got ${count}. Use fewer, broader channels, or raise realtime.maxChannelsPerConnection.`,
      status: 400,
    });
  }
}

/**
 * An event that JSON cannot hold. Nothing was published.
 *
 * Publish plain data. `cause` is what `JSON.stringify` threw.
 */
export class InvalidEventError extends PandoError {
  constructor(channel: string, cause?: unknown) {
    const why = cause === undefined ? 'it has no JSON form' : messageOf(cause);
    super({
      code: 'PANDO_REALTIME_INVALID_EVENT',
      message: `The event for channel "${channel}" must be JSON: ${why}. Publish plain data.`,
      cause,
      status: 400,
    });
  }
}

/**
 * An event is larger than `realtime.maxEventBytes`. Nothing was published.
 *
 * Publish a reference to the data and let clients fetch it, or raise the limit.
 */
export class EventTooLargeError extends PandoError {
  constructor(channel: string, bytes: number, limit: number) {
    super({
      code: 'PANDO_REALTIME_EVENT_TOO_LARGE',
      message: `The event for channel "${channel}" has ${bytes} bytes, more than the ${limit} allowed. Publish a reference to the data, or raise realtime.maxEventBytes.`,
      status: 413,
    });
  }
}

/**
 * The channels' log cannot be reached. A publish that rejects with it may have been carried out.
 *
 * Repeat the publish with the same `id`, and it is published once. `realtime.onUnavailable: 'wait'` does so for a
 * while by itself.
 */
export class RealtimeUnavailableError extends PandoError {
  constructor(what: string, cause: unknown) {
    super({
      code: 'PANDO_REALTIME_UNAVAILABLE',
      message: `${what}: ${messageOf(cause)}. Try again; with the same id, an event is published once.`,
      cause,
      retryable: true,
      status: 503,
    });
  }
}

/**
 * This instance takes no new connections because it is about to end; another one will.
 *
 * Connect again; clients that obey `retry` or the close code do so by themselves.
 */
export class RealtimeDrainingError extends PandoError {
  constructor() {
    super({
      code: 'PANDO_REALTIME_DRAINING',
      message:
        'This instance is draining and takes no new connections. Connect again: another instance answers.',
      retryable: true,
      status: 503,
    });
  }
}

/**
 * This instance has `realtime.maxConnections` connections and takes no more.
 *
 * Add instances, or raise the limit if memory allows it.
 */
export class RealtimeFullError extends PandoError {
  constructor(limit: number) {
    super({
      code: 'PANDO_REALTIME_FULL',
      message: `This instance has ${limit} connections and takes no more. Add instances, or raise realtime.maxConnections.`,
      retryable: true,
      status: 503,
    });
  }
}

/**
 * A user, or an address, has as many connections to this instance as it may, and gets no more.
 *
 * Close some, or raise `realtime.maxConnectionsPerUser` or `maxConnectionsPerAddress`. Where many share one identity, as guests
 * do, let `realtime.userOf` answer `undefined` for it; where many share an address, see that the framework trusts its proxies.
 */
export class TooManyConnectionsError extends PandoError {
  constructor(whose: 'user' | 'address', name: string, limit: number) {
    const option = whose === 'user' ? 'maxConnectionsPerUser' : 'maxConnectionsPerAddress';
    const remedy =
      whose === 'user'
        ? 'let realtime.userOf answer undefined for an identity that many share'
        : 'see that the framework trusts its proxies';
    super({
      code: 'PANDO_REALTIME_TOO_MANY_CONNECTIONS',
      message: `The ${whose} ${JSON.stringify(name.slice(0, 80))} has ${limit} connections to this instance and gets no more. Raise realtime.${option}, or ${remedy}.`,
      retryable: true,
      status: 429,
    });
  }
}

/**
 * This instance does not do this: its `realtime.role` leaves it to others.
 *
 * Send connections to instances that deliver, and publish on those that publish; or give the instance the role `all`.
 */
export class RealtimeRoleError extends PandoError {
  constructor(role: string, what: string) {
    super({
      code: 'PANDO_REALTIME_ROLE',
      message: `This instance ${what}: its realtime.role is "${role}". Turn to another one, or give it the role "all".`,
      retryable: true,
      status: 503,
    });
  }
}

/**
 * What a connection is to be listed as cannot be listed; the connection was not opened, or is not listed.
 *
 * Give an `id` of 1 to 128 characters, and `info` that is plain data and not larger than `realtime.presence.maxInfoBytes`.
 */
export class InvalidPresenceError extends PandoError {
  constructor(why: string, cause?: unknown) {
    super({
      code: 'PANDO_REALTIME_INVALID_PRESENCE',
      message: `A connection cannot be present like this: ${why}. Give a short id, and little info.`,
      cause,
      status: 400,
    });
  }
}
