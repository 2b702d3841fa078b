import type { Signalled } from '../kernel/abort.js';
import type { Events } from '../kernel/events.js';
import type { FleetRoster } from '../kernel/fleet.js';
import type { Keys } from '../kernel/keys.js';

/** One argument of a Redis command. */
export type RedisArgument = string | number | Buffer;

/** One command of a batch: its name, then its arguments. */
export type RedisCommand = readonly [name: string, ...args: RedisArgument[]];

/** A Lua script with the number of keys that its header declares. */
export interface RedisScript {
  readonly name: string;
  readonly source: string;
  /** Left out: as many as it is given, of one slot. */
  readonly keyCount?: number | undefined;
}

/** Options of everything that waits for a reply. */
export interface RedisCallOptions extends Signalled {
  /** Gives bulk replies as buffers instead of UTF-8 strings. @defaultValue `false` */
  readonly buffers?: boolean | undefined;
  /** Overrides the floor's command deadline. */
  readonly timeoutMs?: number | undefined;
}

/** How many replicas must have what a script wrote. */
export interface RedisCopies {
  readonly replicas: number;
  /** How long to wait for them. */
  readonly timeoutMs: number;
}

/** A live subscription to one pub/sub channel. */
export interface RedisSubscription {
  /** Stops the calls at once and unsubscribes when nobody else listens. Idempotent. */
  close(): Promise<void>;
}

/** What happens to the connections. */
export interface RedisEvents {
  /** Commands can be sent, and the epoch has been verified on this connection; also when another epoch begins under a standing connection. */
  up: { readonly epoch: string; readonly previousEpoch: string | undefined };
  /** Commands are refused from now on. */
  down: { readonly cause: unknown };
  /**
   * Every subscription has been acknowledged and an announcement of our own has come back: announcements before now may be
   * missing, later ones are not. Never before the `up` of the same server; a changed epoch emits `blind`, `up`, `live`.
   */
  live: Record<string, never>;
  /** Announcements may go missing from now on, until `live`. */
  blind: { readonly cause: unknown };
}

/**
 * One slot of the data set: what one script touches lives in one place.
 *
 * On one server, and behind sentinels, all places are the same one, the home of the kit. In a cluster each tag has a place of its
 * own, and the nodes share the places.
 *
 * Commands are answered or rejected within a deadline, never queued while the server is away. No order is
 * promised between a reply and an announcement, nor delivery of an announcement: rooms number what
 * they announce and heal gaps themselves.
 */
export interface RedisPlace {
  /** The hash tag of its keys; at home the kit's name. */
  readonly tag: string;
  /** Whether announcements stay in the slot: scripts announce by `SPUBLISH` then, else by `PUBLISH`. */
  readonly isSharded: boolean;
  /** Whether commands are accepted now. */
  readonly isUp: boolean;
  /** Whether announcements arrive, as far as anybody can tell. */
  readonly isLive: boolean;
  /**
   * Names the life of the data of this place: bound to the run id of the master that holds it, and verified on every new
   * connection before the first command. Undefined until that master was reached once.
   */
  readonly epoch: string | undefined;
  /** The key that holds {@link RedisPlace.epoch}; scripts compare it (`redis.call('HGET', key, 'id')`). */
  readonly epochKey: string;
  readonly events: Pick<Events<RedisEvents>, 'on'>;

  /** A key or channel of this place. */
  key(room: string, ...parts: readonly string[]): string;
  /** Sends one command. Rejects with `RedisUnavailableError` while down or past the deadline: the command may still be carried out then. */
  call(command: RedisCommand, options?: RedisCallOptions): Promise<unknown>;
  /** Sends several commands in one round trip; the first error reply rejects. Not atomic. On Cluster all keys must share a slot. */
  batch(commands: readonly RedisCommand[], options?: RedisCallOptions): Promise<readonly unknown[]>;
  /** Runs a script by its hash, loading it where the server does not know it. */
  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    options?: RedisCallOptions,
  ): Promise<unknown>;
  /** Writes in one go what `send` sends while it runs: a write for each command costs both ends more than the command. */
  together(send: () => void): void;
  /**
   * Like `run`, on a connection of its own, where waiting holds nobody else up, and resolves once so many replicas have what
   * the script wrote. Rejects with `RedisUnavailableError` when they do not in time: the script was carried out then.
   */
  runConfirmed(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    copies: RedisCopies,
    options?: RedisCallOptions,
  ): Promise<unknown>;
  /**
   * Listens to one channel; resolves once the server has acknowledged. While there is no connection it resolves at once:
   * the channel is acknowledged with all others before the next `live`. Rejects when refused or aborted only.
   *
   * `listener` is called in arrival order and must not throw. A payload may share memory with its neighbours: copy what
   * you keep.
   */
  subscribe(
    channel: string,
    listener: (payload: Buffer) => void,
    options?: Signalled,
  ): Promise<RedisSubscription>;
  /** Announces on one channel: at most once, to whoever listens now. */
  publish(channel: string, payload: Buffer | string, options?: Signalled): Promise<void>;
  /**
   * Replaces the epoch, if it is still the given one: whoever found the data older than what it has seen calls this. Given an empty
   * text it only begins one where there is none. Resolves to the epoch now valid.
   */
  renewEpoch(seen: string, options?: Signalled): Promise<string>;
}

/**
 * The floor that all rooms of a kit stand on: one connection for commands, one for announcements.
 *
 * It is the kit's home itself: the place of all that is not given to another one.
 */
export interface RedisFloor extends RedisPlace, AsyncDisposable {
  readonly keys: Keys;
  /** Monotonic instant at which the announcing connection was last proven to work. */
  readonly heardAt: number;
  readonly fleet: FleetRoster;

  /** Opens the connections; waits a bounded time for Redis, then goes on without it. Rejects only when aborted or refused for good (wrong password). */
  start(options?: Signalled): Promise<void>;
  /**
   * The place of a hash tag, the same object each time; with the kit's name, and wherever there is no cluster, the floor itself.
   * The tag must contain the kit's name: kits stay apart by it.
   */
  place(tag: string): RedisPlace;
  /**
   * Asks whether places can be used. Rejects with `RedisVersionError` where a cluster has no sharded pub/sub; resolves to false
   * where nobody can be asked now.
   */
  provePlaces(options?: Signalled): Promise<boolean>;
  /** As of a place, for whatever places `send` sends to. */
  together(send: () => void): void;
  /** The command connection itself, for libraries that want a client (rate-limiter-flexible). Never close it. */
  readonly client: unknown;
  close(): Promise<void>;
}
