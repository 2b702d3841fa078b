import { isPandoError } from '../../kernel/errors.js';
import { RedisReplyError } from '../../redis/errors.js';
import type { RedisPlace } from '../../redis/ports.js';
import { RealtimeUnavailableError } from '../errors.js';
import type { RedisSlots } from './redis-slots.js';

const ROOM = 'realtime';

/** Where the channels of one place are kept in Redis, and how a call there ends. */
export class RedisChannels {
  readonly place: RedisPlace;
  readonly #slots: RedisSlots | undefined;
  /** How many of its channels are listened to. */
  listeners = 0;

  /** @param slots - what has to be known before the place is used. Absent: nothing. */
  constructor(place: RedisPlace, slots?: RedisSlots) {
    this.place = place;
    this.#slots = slots;
  }

  /** The command by which scripts announce. */
  get announce(): 'PUBLISH' | 'SPUBLISH' {
    return this.place.isSharded ? 'SPUBLISH' : 'PUBLISH';
  }

  /** A key of one kind, of one channel or of all; all keys of the room in this place share a slot. */
  key(kind: string, ...channel: readonly string[]): string {
    return this.place.key(ROOM, kind, ...channel);
  }

  /** The keys that every script of the log begins with. */
  logKeys(channel: string): readonly [log: string, head: string, epoch: string] {
    return [this.key('log', channel), this.key('head', channel), this.place.epochKey];
  }

  /** Where it is remembered that a message with this idempotency key was appended. */
  idKey(channel: string, id: string): string {
    return this.key('id', `${channel} ${id}`); // no channel has a space in its name, an id may have anything
  }

  /** Where entries of a channel are announced. */
  topic(channel: string): string {
    return this.key('channel', channel);
  }

  /** Runs a call, once more if it came upon a data set that has lost its epoch. */
  async ask<T>(failure: string, call: () => Promise<T>): Promise<T> {
    try {
      if (this.#slots?.isProven === false) await this.#slots.prove();
      return await call().catch(async (cause: unknown) => {
        if (!(cause instanceof RedisReplyError && cause.kind === 'NOEPOCH')) throw cause;
        await this.renewEpoch();
        return await call();
      });
    } catch (cause) {
      if (isPandoError(cause, 'PANDO_REDIS_UNAVAILABLE') || cause instanceof RedisReplyError) {
        throw new RealtimeUnavailableError(failure, cause);
      }
      throw cause; // closed, too old, or the caller's own abort
    }
  }

  /**
   * Begins a new epoch where there is none. Replaces none: another instance may have begun one, and this one may have heard of it
   * before it hears that its own call met none. To replace that would tell every client twice that history is gone.
   */
  async renewEpoch(): Promise<void> {
    await this.place.renewEpoch('');
  }
}
