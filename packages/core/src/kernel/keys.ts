import { PandoOptionsError } from './errors.js';

/** Names of everything one kit keeps in Redis. */
export interface Keys {
  /** The kit's name. */
  readonly name: string;
  /** A key or channel in the kit's one hash slot: for all that one script must touch together. */
  atomic(room: string, ...parts: readonly string[]): string;
  /** A key that may live in any slot of a cluster: for values that no script needs beside others. */
  spread(room: string, ...parts: readonly string[]): string;
}

const validName = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Builds the key names of a kit; throws {@link PandoOptionsError} when the name could not be part of a key, header and cookie name.
 *
 * They name the database of the server, where that is not the first: its keys would be apart anyway, but channels of
 * Pub/Sub are heard in all of them.
 */
export function createKeys(name: string, database = 0): Keys {
  if (!validName.test(name)) {
    throw new PandoOptionsError({
      code: 'PANDO_OPTIONS',
      message: `name must be 1 to 64 letters, digits, "-" or "_" (it is part of Redis keys, a header and cookies), got ${JSON.stringify(name)}.`,
    });
  }
  // Parts come last and are joined as they are: a part with ":" can only collide within its own room and kind.
  const place = database === 0 ? '' : `@${database}:`;
  const atomicPrefix = `pando:{${name}}:${place}`;
  const spreadPrefix = `pando:${name}:${place}`;
  return {
    name,
    atomic: (room, ...parts) => atomicPrefix + [room, ...parts].join(':'),
    spread: (room, ...parts) => spreadPrefix + [room, ...parts].join(':'),
  };
}
