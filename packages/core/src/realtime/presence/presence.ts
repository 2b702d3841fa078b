import { InvalidPresenceError } from '../errors.js';
import { formatPosition } from '../position.js';
import type { PresencePage } from './ports.js';

/** As whom a connection is listed. Everybody who may read the list sees it: put nothing in that is not public. */
export interface Present {
  /** 1 to 128 characters. Connections with the same id are one user. Absent: the connection is counted, not listed. */
  readonly id?: string | undefined;
  /** Any JSON, shown beside the id. Where connections of one user differ, the last one to come or to change counts. */
  readonly info?: unknown;
}

/** One user of a channel. */
export interface PresentMember {
  readonly id: string;
  readonly connections: number;
  /** Absent when none was given. */
  readonly info?: unknown;
}

/** Who is on a channel, at one instant. */
export interface Presence {
  readonly channel: string;
  /**
   * Where the presence channel stands at that instant: its messages after this are exactly those that the list lacks.
   * Hand it to `since` to keep the list.
   */
  readonly position: string;
  /** How many users, listed or not. */
  readonly users: number;
  /** How many connections, those without an id among them. */
  readonly connections: number;
  /** By id. */
  readonly members: readonly PresentMember[];
  /** Whether there are more users than are listed: see `realtime.presence.maxMembers`. */
  readonly truncated: boolean;
}

/**
 * One event of a presence channel.
 *
 * `join`: the first connection of a user has come. `update`: what is shown of it has changed. `leave`: its last
 * connection has been gone for `realtime.presence.leaveMs`. The counts are those after the event; connections that make no
 * event change `connections` meanwhile. To apply an event twice does no harm.
 */
export type PresenceEvent =
  | {
      readonly type: 'join' | 'update';
      readonly id: string;
      readonly info?: unknown;
      readonly users: number;
      readonly connections: number;
    }
  | { readonly type: 'leave'; readonly id: string; readonly users: number; readonly connections: number };

/** A connection's entry, checked, as JSON. */
export interface Member {
  /** Undefined for one that is counted, not listed. */
  readonly user: string | undefined;
  readonly info: string | undefined;
}

const MAX_ID_CHARS = 128;

/** Checks what the application says of a connection; throws {@link InvalidPresenceError}. */
export function memberOf({ id, info }: Present, maxInfoBytes: number): Member {
  if (id === undefined) return { user: undefined, info: undefined };
  if (typeof id !== 'string' || id === '' || id.length > MAX_ID_CHARS) {
    throw new InvalidPresenceError(`id must be a string of 1 to ${MAX_ID_CHARS} characters`);
  }
  return { user: JSON.stringify(id), info: infoOf(info, maxInfoBytes) };
}

/** Checks what is to be shown of a user; throws {@link InvalidPresenceError}. */
export function infoOf(info: unknown, maxInfoBytes: number): string | undefined {
  let json: string | undefined;
  try {
    json = JSON.stringify(info);
  } catch (cause) {
    throw new InvalidPresenceError('info must be JSON', cause);
  }
  if (json === undefined && info !== undefined) throw new InvalidPresenceError('info must be JSON');
  const bytes = json === undefined ? 0 : Buffer.byteLength(json);
  if (bytes > maxInfoBytes) {
    throw new InvalidPresenceError(
      `info has ${bytes} bytes, more than the ${maxInfoBytes} of realtime.presence.maxInfoBytes`,
    );
  }
  return json;
}

/** The list as applications get it. */
export function presenceOf(channel: string, page: PresencePage): Presence {
  const { lineage, head, users, connections, listed } = page;
  const members = listed.map(({ user, connections: count, info }) => ({
    id: JSON.parse(user) as string,
    connections: count,
    ...(info === undefined ? {} : { info: JSON.parse(info) as unknown }),
  }));
  return {
    channel,
    position: formatPosition({ id: head, index: undefined, lineage }),
    users,
    connections,
    members: members.sort((a, b) => (a.id < b.id ? -1 : 1)),
    truncated: users > members.length,
  };
}
