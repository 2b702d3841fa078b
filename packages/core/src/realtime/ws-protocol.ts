import { isChannelName } from '../kernel/names.js';
import { isFollowableName } from './channel-name.js';
import type { ResetReason } from './message.js';
import type { PresentMember } from './presence/presence.js';

/*
 * Subprotocol pando.v1: each WebSocket text message is one JSON object with a type `t`.
 *
 * client                                                     server
 * {t:"sub", id?, c:channel|[…], since?:{channel:position},    {t:"sub", id?, c, i, recovered, reason?, token?}   per channel
 *  presence?:true}
 * {t:"unsub", id?, c:channel|[…]}                            {t:"unsub", id?, c}                        per channel
 * {t:"pub", id?, c, d, key?}                                 {t:"ack", id?, c, i, duplicate?}
 * {t:"presence", id?, c}                                     {t:"presence", id?, c, i, users, connections, members, truncated}
 * {t:"auth", id?, credential}                                {t:"auth", id?, expiresAt?}
 * {t:"ping", id?}                                            {t:"pong", id?}
 *                                                            {t:"m", c, i, token?, d}
 *                                                            {t:"reset", c, i, reason, token?}
 *                                                            {t:"err", id?, c?, code, message, retryAfterMs?}
 *                                                            {t:"bye", afterMs}
 *
 * `i` is a position. `token` is what an event had written, or all events of the channel so far: whoever returns it with a
 * request reads state that is at least as new. With `presence: true` the client is present on the channels that it subscribes to, as whom the
 * application says, until it unsubscribes or its connection ends. `presence` asks who is on a channel: `members` is a list
 * of {id, connections, info?}, and `i` a position on the channel's presence channel, `c` with "#p" behind it. That is
 * subscribed to like any other, and its events tell who comes and leaves: {type:"join"|"update"|"leave", id, info?, users,
 * connections}. `auth` hands in what is fresh before the old expires, at `expiresAt` in milliseconds of the epoch; a server
 * that knows when says so without being asked, too, when the connection opens. An `unsub` with the reason "revoked" comes
 * without being asked: the client may not follow the channel any longer. Members that are not named here are ignored, so that both sides may learn new ones.
 */

/** What a client may use to tell answers apart. */
export type RequestId = string | number;

/** What a client asks for. */
export type ClientFrame =
  | {
      readonly t: 'sub';
      readonly id: RequestId | undefined;
      readonly channels: readonly string[];
      readonly since: ReadonlyMap<string, string>;
      readonly presence: boolean;
    }
  | { readonly t: 'unsub'; readonly id: RequestId | undefined; readonly channels: readonly string[] }
  | {
      readonly t: 'pub';
      readonly id: RequestId | undefined;
      readonly channel: string;
      readonly data: unknown;
      readonly key: string | undefined;
    }
  | { readonly t: 'presence'; readonly id: RequestId | undefined; readonly channel: string }
  | { readonly t: 'auth'; readonly id: RequestId | undefined; readonly credential: string }
  | { readonly t: 'ping'; readonly id: RequestId | undefined };

/** Why a request was not carried out. */
export type ErrorCode =
  | 'malformed'
  | 'unknown-type'
  | 'invalid-channel'
  | 'too-many-channels'
  | 'already-subscribed'
  | 'not-subscribed'
  | 'forbidden'
  | 'too-large'
  | 'unavailable'
  | 'rate-limited'
  | 'failed';

/** A frame that was refused. `isFatal`: it is not of this protocol at all, so the connection ends. */
export interface FrameRefusal {
  readonly t: 'refused';
  readonly id: RequestId | undefined;
  readonly code: ErrorCode;
  readonly message: string;
  readonly isFatal: boolean;
}

/** Channels in one frame; more would be a way to make us work for little. */
const MAX_CHANNELS = 1_024;

/** Longer than any token or ticket. */
const MAX_CREDENTIAL_CHARS = 8_192;

/** Reads one frame. Never throws. */
export function parseClientFrame(text: string): ClientFrame | FrameRefusal {
  let frame: Readonly<Record<string, unknown>>;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new TypeError('not an object');
    frame = value as Record<string, unknown>;
  } catch {
    return {
      t: 'refused',
      id: undefined,
      code: 'malformed',
      message: 'A frame is one JSON object.',
      isFatal: true,
    };
  }
  const id = isRequestId(frame.id) ? frame.id : undefined;
  const refuse = (code: ErrorCode, message: string): FrameRefusal => ({
    t: 'refused',
    id,
    code,
    message,
    isFatal: false,
  });
  if (frame.id !== undefined && id === undefined) {
    return refuse('malformed', 'id must be a string of at most 64 characters, or a whole number.');
  }
  switch (frame.t) {
    case 'ping':
      return { t: 'ping', id };
    case 'sub':
    case 'unsub': {
      const channels = readChannels(frame.c);
      if (channels === undefined)
        return refuse('invalid-channel', 'c must be a channel name, or a list of them.');
      if (frame.t === 'unsub') return { t: 'unsub', id, channels };
      const since = readSince(frame.since, channels);
      if (since === undefined) return refuse('malformed', 'since must map channels to positions.');
      const { presence = false } = frame;
      if (typeof presence !== 'boolean') return refuse('malformed', 'presence must be true or false.');
      return { t: 'sub', id, channels, since, presence };
    }
    case 'presence':
      if (!isChannelName(frame.c)) return refuse('invalid-channel', 'c must be a channel name.');
      return { t: 'presence', id, channel: frame.c };
    case 'pub': {
      if (!isChannelName(frame.c)) return refuse('invalid-channel', 'c must be a channel name.');
      if (!Object.hasOwn(frame, 'd')) return refuse('malformed', 'd, the event, is missing.');
      const { key } = frame;
      if (key !== undefined && (typeof key !== 'string' || key === '' || key.length > 128)) {
        return refuse('malformed', 'key must be a string of 1 to 128 characters.');
      }
      return { t: 'pub', id, channel: frame.c, data: frame.d, key };
    }
    case 'auth': {
      const { credential } = frame;
      if (typeof credential !== 'string' || credential === '' || credential.length > MAX_CREDENTIAL_CHARS)
        return refuse('malformed', 'credential must be a string of 1 to 8192 characters.');
      return { t: 'auth', id, credential };
    }
    default:
      return refuse('unknown-type', 't must be sub, unsub, pub, presence, auth or ping.');
  }
}

function isRequestId(id: unknown): id is RequestId {
  return typeof id === 'string' ? id.length <= 64 : Number.isSafeInteger(id);
}

function readChannels(value: unknown): readonly string[] | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > MAX_CHANNELS || !list.every(isFollowableName)) return undefined;
  return [...new Set(list)];
}

function readSince(value: unknown, channels: readonly string[]): ReadonlyMap<string, string> | undefined {
  const since = new Map<string, string>();
  if (value === undefined || value === null) return since;
  if (typeof value !== 'object' || Array.isArray(value)) return undefined;
  for (const channel of channels) {
    // Own members only: a channel may be named like one that every object inherits.
    const position = Object.hasOwn(value, channel) ? (value as Record<string, unknown>)[channel] : undefined;
    if (position === undefined || position === null) continue;
    if (typeof position !== 'string') return undefined;
    since.set(channel, position);
  }
  return since;
}

/** What a server says, other than messages. */
export type ServerFrame =
  | {
      readonly t: 'sub';
      readonly id: RequestId | undefined;
      readonly c: string;
      readonly i: string;
      readonly recovered: boolean;
      readonly reason: ResetReason | undefined;
      readonly token: string | undefined;
    }
  | {
      readonly t: 'unsub';
      readonly id: RequestId | undefined;
      readonly c: string;
      readonly reason: 'revoked' | undefined;
    }
  | { readonly t: 'auth'; readonly id: RequestId | undefined; readonly expiresAt: number | undefined }
  | {
      readonly t: 'ack';
      readonly id: RequestId | undefined;
      readonly c: string;
      readonly i: string;
      readonly duplicate: true | undefined;
    }
  | {
      readonly t: 'presence';
      readonly id: RequestId | undefined;
      readonly c: string;
      readonly i: string;
      readonly users: number;
      readonly connections: number;
      readonly members: readonly PresentMember[];
      readonly truncated: boolean;
    }
  | { readonly t: 'pong'; readonly id: RequestId | undefined }
  | {
      readonly t: 'reset';
      readonly c: string;
      readonly i: string;
      readonly reason: ResetReason;
      readonly token: string | undefined;
    }
  | {
      readonly t: 'err';
      readonly id: RequestId | undefined;
      readonly c: string | undefined;
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryAfterMs?: number | undefined;
    }
  | { readonly t: 'bye'; readonly afterMs: number };

/** Encodes a frame; absent members are left out. */
export function formatServerFrame(frame: ServerFrame): Buffer {
  return Buffer.from(JSON.stringify(frame));
}
