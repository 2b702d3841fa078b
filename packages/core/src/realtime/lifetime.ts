import type { Clock } from '../kernel/clock.js';
import type { Pulse } from './hub/pulse.js';

/** Why a connection ends by itself. */
export type Due = 'age' | 'expired';

/** Ages are between this share of the longest and the whole: connections that opened together end apart. */
const YOUNGEST_RATIO = 0.75;

/** When one connection ends by itself, in the pulse's time. */
export class Lifetime {
  readonly #agesAt: number;
  #expiresAt: number;

  constructor(agesAt: number, expiresAt: number) {
    this.#agesAt = agesAt;
    this.#expiresAt = expiresAt;
  }

  /** What the client showed holds until then. */
  renew(expiresAt: number): void {
    this.#expiresAt = expiresAt;
  }

  /** Why it is to end now, if it is. */
  due(now: number): Due | undefined {
    if (now >= this.#expiresAt) return 'expired';
    return now >= this.#agesAt ? 'age' : undefined;
  }

  leftMs(now: number): number {
    return Math.min(this.#expiresAt, this.#agesAt) - now;
  }
}

/** What all lifetimes go by. */
export interface LifetimesInit {
  readonly clock: Clock;
  readonly pulse: Pulse;
  readonly maxAgeMs: number | false;
}

/** How long connections live. Most live as long as their clients want, and cost nothing here. */
export class Lifetimes {
  readonly clock: Clock;
  readonly #init: LifetimesInit;

  constructor(init: LifetimesInit) {
    this.clock = init.clock;
    this.#init = init;
  }

  /** The lifetime of a connection that opens now. `expiresAt`: monotonic, see {@link Lifetimes.instant}; undefined where nothing expires. */
  begin(expiresAt: number | undefined): Lifetime | undefined {
    const { pulse, maxAgeMs } = this.#init;
    if (maxAgeMs === false && expiresAt === undefined) return undefined;
    const share = YOUNGEST_RATIO + (1 - YOUNGEST_RATIO) * Math.random();
    const agesAt = maxAgeMs === false ? Number.POSITIVE_INFINITY : pulse.now + maxAgeMs * share;
    return new Lifetime(agesAt, expiresAt ?? Number.POSITIVE_INFINITY);
  }

  /** An instant of the epoch in the pulse's time, up to a share of what is left of it earlier. */
  instant(epochMs: number, { earlierRatio = 0, atMostMs = 0 } = {}): number {
    const { clock } = this;
    const leftMs = epochMs - clock.now();
    return (
      clock.monotonic() + leftMs - Math.random() * Math.max(0, Math.min(leftMs * earlierRatio, atMostMs))
    );
  }
}
