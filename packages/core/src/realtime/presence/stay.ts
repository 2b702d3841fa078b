import type { Beating } from '../hub/pulse.js';
import type { PresenceChange } from './ports.js';
import type { Member } from './presence.js';

/** What a stay needs of those who keep it. */
export interface StayHost {
  /** Monotonic time, as of the last tick. */
  readonly now: number;
  /** The time after its end has passed. */
  expired(stay: Stay): void;
}

/** One connection on one channel, from when it came until the others are told that it left. */
export class Stay implements Beating {
  slot = 0;
  readonly crowd: Crowd;
  /** All stays of its connection, by channel. */
  readonly siblings: Map<string, Stay>;
  /** Its name in the store. */
  readonly row: string;
  readonly user: string | undefined;
  info: string | undefined;
  /** Monotonic instant at which it will be over; undefined while the connection is there. */
  leavesAt: number | undefined;
  isOver = false;
  /** What the store has to be told; undefined when it has been told all. */
  next: PresenceChange['kind'] | undefined;
  readonly #host: StayHost;

  constructor(
    host: StayHost,
    crowd: Crowd,
    siblings: Map<string, Stay>,
    row: string,
    { user, info }: Member,
  ) {
    this.#host = host;
    this.crowd = crowd;
    this.siblings = siblings;
    this.row = row;
    this.user = user;
    this.info = info;
    this.leavesAt = undefined;
    this.next = undefined;
  }

  beat(): number {
    const leftMs = (this.leavesAt ?? 0) - this.#host.now;
    if (leftMs > 0) return leftMs;
    this.#host.expired(this);
    return 0;
  }
}

/** A larger one says all that a smaller one says. */
const weights = { enter: 1, update: 2, leave: 3 } as const;

/** The stays of this instance on one channel. */
export class Crowd {
  readonly channel: string;
  readonly stays = new Set<Stay>();
  /** Whether a call is under way: the next one waits for it, for the store need not keep their order. */
  isBusy = false;
  readonly #due = new Set<Stay>();

  constructor(channel: string) {
    this.channel = channel;
  }

  get isDue(): boolean {
    return this.#due.size > 0;
  }

  /** The store is to be told. */
  note(stay: Stay, kind: PresenceChange['kind']): void {
    if (stay.next === undefined || weights[kind] > weights[stay.next]) stay.next = kind;
    this.#due.add(stay);
  }

  /** The store is to be told of everybody. */
  noteAll(): void {
    for (const stay of this.stays) this.note(stay, stay.isOver ? 'leave' : 'enter');
  }

  /** Takes out what to tell next. */
  take(limit: number): readonly Errand[] {
    const errands: Errand[] = [];
    for (const stay of this.#due) {
      if (errands.length === limit) break;
      this.#due.delete(stay);
      const { row, user, info, next: kind = 'enter' } = stay;
      stay.next = undefined;
      errands.push({ stay, change: kind === 'leave' ? { kind, row } : { kind, row, user, info } });
    }
    return errands;
  }
}

/** One change on its way to the store. */
export interface Errand {
  readonly stay: Stay;
  readonly change: PresenceChange;
}
