import { isPandoError } from '../../kernel/errors.js';
import { RedisReplyError } from '../../redis/errors.js';
import type { RedisFloor } from '../../redis/ports.js';
import { RealtimeUnavailableError } from '../errors.js';

const ROOM = 'realtime';

/** Where channels are kept in Redis, and how a call there ends. */
export class RedisChannels {
  readonly #floor: RedisFloor;

  constructor(floor: RedisFloor) {
    this.#floor = floor;
  }

  /** A key of one kind, of one channel or of all; all keys of the room share a slot. */
  key(kind: string, ...channel: readonly string[]): string {
    return this.#floor.keys.atomic(ROOM, kind, ...channel);
  }

  /** The keys that every script of the log begins with. */
  logKeys(channel: string): readonly [log: string, head: string, epoch: string] {
    return [this.key('log', channel), this.key('head', channel), this.#floor.epochKey];
  }

  /** Where ids are kept that are held until they are released. */
  heldKeys(): readonly [young: string, old: string] {
    return [this.key('held-ids'), this.key('held-ids-before')];
  }

  /** Where entries of a channel are announced. */
  topic(channel: string): string {
    return this.key('channel', channel);
  }

  /** Runs a call, once more if it came upon a data set that has lost its epoch. */
  async ask<T>(failure: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call().catch(async (cause: unknown) => {
        if (!(cause instanceof RedisReplyError && cause.kind === 'NOEPOCH')) throw cause;
        await this.renewEpoch();
        return await call();
      });
    } catch (cause) {
      if (isPandoError(cause, 'PANDO_REDIS_UNAVAILABLE') || cause instanceof RedisReplyError) {
        throw new RealtimeUnavailableError(failure, cause);
      }
      throw cause; // closed, or the caller's own abort
    }
  }

  /** Begins a new epoch where the old one is gone. */
  async renewEpoch(): Promise<void> {
    await this.#floor.renewEpoch(this.#floor.epoch ?? '');
  }
}
