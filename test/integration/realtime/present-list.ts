import { setImmediate as turn } from 'node:timers/promises';
import {
  type Presence,
  type PresenceEvent,
  presenceChannel,
  type Realtime,
  type Subscription,
} from '@pando/core/realtime';

/**
 * Who is on a channel, kept as an application would: a list, then the events from its position on, and a new list after
 * a reset.
 */
export class PresentList implements AsyncDisposable {
  readonly #room: Realtime;
  readonly #channel: string;
  readonly #users = new Map<string, unknown>();
  /** Events that came while a list was read; undefined when none is. */
  #waiting: PresenceEvent[] | undefined;
  #subscription: Subscription | undefined;
  #isClosed = false;
  /** Every event, in the order in which they came. */
  readonly events: PresenceEvent[] = [];
  resets = 0;

  private constructor(room: Realtime, channel: string) {
    this.#room = room;
    this.#channel = channel;
  }

  static async keep(room: Realtime, channel: string): Promise<PresentList> {
    const list = new PresentList(room, channel);
    const presence = await room.presence(channel);
    list.#take(presence);
    list.#subscription = await room.subscribe(
      presenceChannel(channel),
      (message) => list.#hear(message.data),
      {
        since: presence.position,
        onReset: () => list.#restart(),
      },
    );
    return list;
  }

  /** Ids of those present, sorted. */
  get ids(): readonly string[] {
    return [...this.#users.keys()].sort();
  }

  get infos(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(this.#users);
  }

  /** `join ann`, `leave bob`, … */
  get told(): readonly string[] {
    return this.events.map(({ type, id }) => `${type} ${id}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#subscription?.close();
  }

  #hear(data: unknown): void {
    const event = data as PresenceEvent;
    this.events.push(event);
    if (this.#waiting === undefined) this.#apply(event);
    else this.#waiting.push(event);
  }

  #apply(event: PresenceEvent): void {
    if (event.type === 'leave') this.#users.delete(event.id);
    else this.#users.set(event.id, event.info);
  }

  #take({ members }: Presence): void {
    this.#users.clear();
    for (const { id, info } of members) this.#users.set(id, info);
  }

  #restart(): void {
    this.resets++;
    this.#waiting = [];
    void this.#reload();
  }

  async #reload(): Promise<void> {
    while (!this.#isClosed) {
      const presence = await this.#room.presence(this.#channel).catch(() => undefined);
      if (presence === undefined) {
        await turn(); // Redis is not back yet
        continue;
      }
      this.#take(presence);
      for (const event of this.#waiting ?? []) this.#apply(event);
      this.#waiting = undefined;
      return;
    }
  }
}
