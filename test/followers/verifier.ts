import { compareIds, type Position, parsePosition } from '../../packages/core/src/realtime/position.js';

/** In a listener's record, where a place of the channel could stand: it was told that messages may be missing. */
const RESET = -1;
/** It came without a position, and begins wherever the channel is. */
const FRESH = -2;
const MOST_SHOWN = 20;

/** How the places of a channel follow each other. */
interface Order {
  /** By place. */
  readonly ranks: Int32Array;
  /** By rank: how many lie below that no failover has taken away; one longer than there are ranks. */
  readonly kept: Int32Array;
}

/** One channel: every position that anybody was told, and what is there. */
class Trace {
  readonly #channel: string;
  readonly #lineages: string[];
  readonly #places = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #positions: Position[] = [];
  readonly #values: number[] = [];
  readonly #confirmed = new Set<number>();
  readonly #lost = new Set<number>();
  #order: Order | undefined;

  constructor(channel: string, lineages: string[]) {
    this.#channel = channel;
    this.#lineages = lineages;
  }

  /** The place of a position, which is a new one if nobody has named it so far; undefined when it had another value. */
  place(text: string, value: number): number | undefined {
    const known = this.#places.get(text);
    if (known !== undefined) return this.#values[known] === value ? known : undefined;
    const position = parsePosition(text);
    if (position === undefined) return undefined;
    if (!this.#lineages.includes(position.lineage)) this.#lineages.push(position.lineage);
    const place = this.#texts.push(text) - 1;
    this.#places.set(text, place);
    this.#positions.push(position);
    this.#values.push(value);
    this.#order = undefined;
    return place;
  }

  confirm(place: number): void {
    this.#confirmed.add(place);
  }

  lose(text: string): void {
    const place = this.#places.get(text);
    if (place !== undefined) this.#lost.add(place);
    this.#order = undefined;
  }

  show(place: number): string {
    return `${this.#values[place]} (${this.#texts[place]}) of ${this.#channel}`;
  }

  *unpublished(attempts: ReadonlySet<number>): Iterable<string> {
    for (const [place, value] of this.#values.entries())
      if (!this.#confirmed.has(place) && !attempts.has(value)) yield `nobody published ${this.show(place)}`;
  }

  *judge(who: string, seen: readonly number[], isCaughtUp: boolean): Iterable<string> {
    const { ranks, kept } = this.#ordered();
    const end = kept.at(-1) ?? 0;
    let before: { readonly place: number; readonly rank: number } | undefined;
    let highest = -1;
    for (const place of seen) {
      if (place < 0) {
        if (place === FRESH && highest >= 0)
          yield `${who} came back to ${this.#channel} without its position`;
        before = undefined;
        continue;
      }
      const rank = ranks[place] ?? 0;
      if (rank <= highest) yield `${who} saw ${this.show(place)} again, or too late`;
      else if (before !== undefined) {
        const missed = (kept[rank] ?? 0) - (kept[before.rank + 1] ?? 0);
        if (missed > 0) yield `${who} missed ${missed} before ${this.show(place)}, without a reset`;
        else if (this.#lost.has(before.place) && !this.#lost.has(place))
          yield `${who} went on to ${this.show(place)} from ${this.show(before.place)}, which was lost, without a reset`;
      }
      highest = Math.max(highest, rank);
      before = { place, rank };
    }
    const reached = before === undefined ? 0 : (kept[before.rank + 1] ?? 0);
    if (isCaughtUp && reached < end) yield `${who} never saw the last ${end - reached} of ${this.#channel}`;
  }

  #ordered(): Order {
    this.#order ??= this.#sort();
    return this.#order;
  }

  #sort(): Order {
    const places = this.#positions.map((_, place) => place).sort((a, b) => this.#compare(a, b));
    const ranks = new Int32Array(places.length);
    const kept = new Int32Array(places.length + 1);
    for (const [rank, place] of places.entries()) {
      ranks[place] = rank;
      kept[rank + 1] = (kept[rank] ?? 0) + (this.#lost.has(place) ? 0 : 1);
    }
    return { ranks, kept };
  }

  #compare(a: number, b: number): number {
    const [x, y] = [this.#positions[a], this.#positions[b]] as [Position, Position];
    return (
      this.#lineages.indexOf(x.lineage) - this.#lineages.indexOf(y.lineage) ||
      compareIds(x.id, y.id) ||
      (x.index ?? Number.POSITIVE_INFINITY) - (y.index ?? Number.POSITIVE_INFINITY)
    );
  }
}

/** What one client saw, channel by channel, in the order in which it saw it. */
export class Listener {
  readonly name: string;
  readonly channels: readonly string[];
  /** Reasons of resets, by channel. */
  readonly resets = new Map<string, string[]>();
  messages = 0;
  readonly #verifier: Verifier;
  readonly #seen = new Map<string, number[]>();

  constructor(name: string, channels: readonly string[], verifier: Verifier) {
    this.name = name;
    this.channels = channels;
    this.#verifier = verifier;
    for (const channel of channels) {
      this.#seen.set(channel, []);
      this.resets.set(channel, []);
    }
  }

  message(channel: string, position: string, value: number): void {
    this.messages++;
    const place = this.#verifier.seen(this.name, channel, position, value);
    if (place !== undefined) this.#seen.get(channel)?.push(place);
  }

  reset(channel: string, reason: string): void {
    this.#seen.get(channel)?.push(RESET);
    this.resets.get(channel)?.push(reason);
  }

  /** It begins in a channel without a position. */
  begin(channel: string): void {
    this.#seen.get(channel)?.push(FRESH);
  }

  record(channel: string): readonly number[] {
    return this.#seen.get(channel) ?? [];
  }
}

/**
 * Hears of every publish from its publisher and of every delivery from whom it reached, and tells whether the promise was
 * kept: per client and channel a contiguous run of the log in its order, without duplicates, or a reset in between.
 */
export class Verifier {
  readonly #listeners: Listener[] = [];
  readonly #traces = new Map<string, Trace>();
  readonly #lineages: string[] = [];
  readonly #attempts = new Set<number>();
  readonly #contradictions: string[] = [];
  /** How many publishes were confirmed. */
  confirmed = 0;

  listener(name: string, channels: readonly string[]): Listener {
    const listener = new Listener(name, channels, this);
    this.#listeners.push(listener);
    return listener;
  }

  /** A publish was confirmed. */
  confirm(channel: string, position: string, value: number): void {
    const trace = this.#trace(channel);
    const place = trace.place(position, value);
    if (place === undefined) this.#contradict(`${value} was confirmed at ${position} of ${channel}`);
    else trace.confirm(place);
    this.confirmed++;
  }

  /** Nobody knows yet whether a publish was carried out. */
  attempt(value: number): void {
    this.#attempts.add(value);
  }

  /** A failover has taken the message at this position away. */
  lose(channel: string, position: string): void {
    this.#trace(channel).lose(position);
  }

  seen(who: string, channel: string, position: string, value: number): number | undefined {
    const place = this.#trace(channel).place(position, value);
    if (place === undefined) this.#contradict(`${who} saw ${value} at ${position} of ${channel}`);
    return place;
  }

  /** All broken promises, in words; `isCaughtUp`: everybody has had the time to see everything. */
  violations({
    isCaughtUp,
    of = this.#listeners,
  }: {
    readonly isCaughtUp: boolean;
    readonly of?: readonly Listener[] | undefined;
  }): readonly string[] {
    const found = [...this.#contradictions];
    for (const listener of of) {
      for (const channel of listener.channels) {
        const judged = this.#trace(channel).judge(listener.name, listener.record(channel), isCaughtUp);
        for (const violation of judged) if (found.push(violation) >= MOST_SHOWN) return found;
      }
    }
    for (const trace of this.#traces.values()) found.push(...trace.unpublished(this.#attempts));
    return found.slice(0, MOST_SHOWN);
  }

  /** Reasons of the resets of each listener in each channel. */
  resets(): readonly (readonly string[])[] {
    return this.#listeners.flatMap(({ resets }) => [...resets.values()]);
  }

  get messages(): number {
    return this.#listeners.reduce((sum, { messages }) => sum + messages, 0);
  }

  #trace(channel: string): Trace {
    let trace = this.#traces.get(channel);
    if (trace === undefined) {
      trace = new Trace(channel, this.#lineages);
      this.#traces.set(channel, trace);
    }
    return trace;
  }

  #contradict(what: string): void {
    if (this.#contradictions.length < MOST_SHOWN)
      this.#contradictions.push(`${what}, where something else is, or which is no position`);
  }
}
