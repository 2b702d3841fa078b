import { setTimeout as delay } from 'node:timers/promises';
import type { Kernel } from '../../../packages/core/src/kernel/kernel.js';
import { FakeRegisters } from '../../../packages/core/src/testing/cache-fleet.js';
import { Known } from '../known.js';
import type { Report } from '../report.js';

/** A version, and the load that has read it. */
export type Reading = readonly [version: number, load: number];

/** A cached value: what a load has made of registers. */
export interface Shown {
  readonly load: number;
  readonly readings: Readonly<Record<string, Reading>>;
}

/** How a load reads: `eventual` promises its own caller nothing, and must harm nobody else. */
export type Level = 'causal' | 'eventual';

interface Trace {
  readonly beganAt: number;
  /** What was invalidated for everybody when it began. */
  readonly settled: Known;
  endedAt: number;
  /** Whether it promises nothing to those who wait for it. */
  isLax: boolean;
}

interface Confirmed {
  readonly atMs: number;
  readonly version: number;
}

/** Which register belongs together with which: they share a tag. */
export const groups: readonly (readonly string[])[] = [
  ['a0', 'a1', 'a2'],
  ['b0', 'b1', 'b2'],
];

/**
 * The registers, kept in this process: the primary is always up to date, the replica is as far behind as it is let. What is
 * stale beyond that comes out of a cache.
 */
export class World {
  readonly report: Report;
  readonly registers = new FakeRegisters();
  /** Versions whose invalidations are known to have been carried out. */
  readonly settled = new Known();
  /** What goes wrong now. */
  trouble = 'nothing';
  /** Loads under way. */
  loading = 0;
  /** The replica shows nothing new as long as that is set. */
  holdReplica = false;
  /** How much longer than usual a value is on its way. */
  lingerMs = 0;
  readonly #random: () => number;
  readonly #loads: Trace[] = [];
  readonly #confirmed = new Map<string, Confirmed[]>();
  #now = 0;

  constructor(report: Report, random: () => number) {
    this.report = report;
    this.#random = random;
  }

  /** One moment after all others: what happens in this process has an order. */
  now(): number {
    return ++this.#now;
  }

  /** The invalidation of a version was acknowledged: everybody is to be shown it, after so much longer than usual. */
  confirmed(register: string, version: number, graceMs = 0): void {
    this.settled.raise(register, version);
    const list = this.#confirmed.get(register) ?? [];
    this.#confirmed.set(register, list);
    list.push({ atMs: performance.now() + graceMs, version });
  }

  /** The newest version whose invalidation was acknowledged that long ago. */
  overdue(register: string, boundMs: number): number {
    const beforeMs = performance.now() - boundMs;
    const list = this.#confirmed.get(register) ?? [];
    return list.reduce(
      (newest, { atMs, version }) => (atMs < beforeMs ? Math.max(newest, version) : newest),
      0,
    );
  }

  /** The replica comes as far as the primary, if it may. */
  replicate(): void {
    if (!this.holdReplica) this.registers.catchUp();
  }

  /** Keeps a record of one load. `used` is told what went into it that was not read by itself. */
  async load(
    level: Level,
    read: (load: number, used: (part: Shown) => void) => Promise<Shown['readings']>,
  ): Promise<Shown> {
    const trace: Trace = {
      beganAt: this.now(),
      settled: new Known(this.settled),
      endedAt: Number.POSITIVE_INFINITY,
      isLax: level === 'eventual',
    };
    const load = this.#loads.push(trace) - 1;
    this.loading++;
    const reading = read(load, (part) => {
      if (this.isLax(part, trace.beganAt)) trace.isLax = true;
    });
    const readings = await reading.finally(() => {
      this.loading--;
    });
    trace.endedAt = this.now();
    this.report.done('loads');
    return { load, readings };
  }

  /** Reads one register; the value is on its way for a while, so that invalidations overtake it. */
  async look(kernel: Kernel, register: string, level: Level): Promise<number> {
    const version = this.registers.read(kernel, register, level);
    await delay(this.#random() * 10 + this.lingerMs);
    return version;
  }

  /** Whether somebody who began to ask then may have waited for a load that promises nothing. */
  isLax({ load }: Shown, askedAt: number): boolean {
    const trace = this.#loads[load];
    return trace?.isLax === true && trace.endedAt > askedAt;
  }

  /** Up to which version whoever is shown this may not be shown less later on, where what was read counts. */
  lasting(register: string, [version, load]: Reading): number {
    return Math.min(version, this.#loads[load]?.settled.of(register) ?? 0);
  }
}
