import { compareIds, parsePosition } from '../../../realtime/position.js';

/** What one subscriber of one channel saw, in order; a reset stands between what need not be contiguous. */
export type Observation =
  | { readonly kind: 'message'; readonly position: string; readonly value: unknown }
  | { readonly kind: 'reset'; readonly reason: string; readonly position: string }
  /** It came back without a position of its own. */
  | { readonly kind: 'fresh' };

/** One broken promise, in words. */
export type Violation = string;

interface Published {
  readonly channel: string;
  readonly position: string;
  readonly value: unknown;
}

/**
 * Knows what was published, and judges what subscribers saw: per channel a contiguous run in order, without
 * duplicates, or a reset in between.
 */
export class Ledger {
  readonly #published: Published[] = [];
  readonly #lineages: string[] = [];
  readonly #attempts = new Set<string>();

  /** Notes a publish that was confirmed. Values are unique within their channel. */
  note(channel: string, position: string, value: unknown): void {
    const lineage = parsePosition(position)?.lineage ?? '';
    // Publishes are confirmed in the order of the lives of the data set.
    if (!this.#lineages.includes(lineage)) this.#lineages.push(lineage);
    this.#published.push({ channel, position, value });
  }

  /** Notes a publish whose outcome is not known: it may be seen once more than it is noted. */
  noteAttempt(value: unknown): void {
    this.#attempts.add(JSON.stringify(value));
  }

  /** How many publishes were confirmed. */
  get size(): number {
    return this.#published.length;
  }

  /** The values of a channel in the order of its log. */
  log(channel: string): readonly Published[] {
    return this.#published
      .filter((entry) => entry.channel === channel)
      .sort((a, b) => this.#compare(a.position, b.position));
  }

  /**
   * What is wrong with the observations; `isCaughtUp` says that the subscriber has had the time to see everything.
   */
  judge(
    who: string,
    channel: string,
    observations: readonly Observation[],
    { isCaughtUp }: { readonly isCaughtUp: boolean },
  ): readonly Violation[] {
    const log = this.log(channel);
    const places = new Map(log.map(({ position }, index) => [position, index]));
    const violations: Violation[] = [];
    let next: number | undefined;
    let highest = -1;
    for (const seen of observations) {
      if (seen.kind !== 'message') {
        next = undefined;
        continue;
      }
      const place = places.get(seen.position);
      if (place === undefined) {
        next = undefined;
        if (this.#attempts.has(JSON.stringify(seen.value))) continue;
        violations.push(`${who} saw ${show(seen)} on ${channel}, which nobody published`);
        continue;
      }
      if (!isSame(log[place]?.value, seen.value))
        violations.push(`${who} saw another value at ${show(seen)} on ${channel}`);
      if (place <= highest) violations.push(`${who} saw ${show(seen)} on ${channel} again or out of order`);
      else if (next !== undefined && place !== next) {
        violations.push(`${who} missed ${place - next} of ${channel} before ${show(seen)}, without a reset`);
      }
      highest = Math.max(highest, place);
      next = place + 1;
    }
    if (isCaughtUp && next !== undefined && next < log.length) {
      violations.push(`${who} never saw the last ${log.length - next} of ${channel}`);
    }
    return violations;
  }

  #compare(a: string, b: string): number {
    const [x, y] = [parsePosition(a), parsePosition(b)];
    if (x === undefined || y === undefined) throw new TypeError(`no positions: ${a}, ${b}`);
    return (
      this.#lineages.indexOf(x.lineage) - this.#lineages.indexOf(y.lineage) ||
      compareIds(x.id, y.id) ||
      (x.index ?? Number.POSITIVE_INFINITY) - (y.index ?? Number.POSITIVE_INFINITY)
    );
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function show({ position, value }: { readonly position: string; readonly value: unknown }): string {
  return `${JSON.stringify(value)} (${position})`;
}
