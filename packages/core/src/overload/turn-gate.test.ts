import { expect, it } from 'vitest';
import { waitFor } from '../testing/wait-for.js';
import { watchNodeLoop } from './node-process.js';
import type { LoopWatch } from './ports.js';
import type { RequestPriority } from './priority.js';
import { TurnGate } from './turn-gate.js';

const targetMs = 25;
const workMs = 4;
const refusalMs = 0.1;

interface Arrived {
  readonly at: number;
  readonly priority: RequestPriority;
}

interface Outcome {
  /** Of those that were begun, from their arrival to their end. */
  readonly waits: readonly number[];
  readonly refused: Readonly<Record<RequestPriority, number>>;
}

/** An event loop whose requests are work for the processor, and nothing else. */
class Simulation implements LoopWatch {
  now = 0;
  #restedMs = 0;
  #atEnd: (() => void) | undefined;
  readonly gate = new TurnGate(targetMs, this, { monotonic: () => this.now });

  get isWatched(): boolean {
    return this.#atEnd !== undefined;
  }

  restedMs(): number {
    return this.#restedMs;
  }

  afterTurn(listener: () => void): Disposable {
    this.#atEnd = listener;
    return { [Symbol.dispose]: () => (this.#atEnd = undefined) };
  }

  rest(forMs: number): void {
    this.now += forMs;
    this.#restedMs += forMs;
  }

  /** One turn with requests of these priorities in it; returns which were begun. */
  turn(...requests: readonly RequestPriority[]): readonly boolean[] {
    const begun = requests.map((priority) => this.#begin(priority));
    this.#endTurn();
    return begun;
  }

  work(forMs: number): void {
    this.now += forMs;
    this.#endTurn();
  }

  /**
   * Connections that arrive whether or not others are done, each with one request, one in five of them critical: one is accepted
   * in a turn, and its request read in the next. At most 511 wait.
   */
  connect(durationMs: number, everyMs: number, workMs: number): Outcome {
    const end = this.now + durationMs;
    const waits: number[] = [];
    const refused = { critical: 0, normal: 0, sheddable: 0 };
    const backlog: number[] = [];
    let read: number | undefined;
    let count = 0;
    for (let nextAt = this.now; this.now < end; ) {
      for (; nextAt <= this.now; nextAt += everyMs) if (backlog.length < 511) backlog.push(nextAt);
      const ready = read;
      read = backlog.shift();
      if (ready === undefined && read === undefined) this.rest(nextAt - this.now);
      if (ready !== undefined) {
        const priority = count++ % 5 === 0 ? 'critical' : 'normal';
        if (this.#begin(priority, workMs)) waits.push(this.now - ready);
        else refused[priority] += 1;
      }
      if (read !== undefined) this.gate.accepted();
      this.now += 0.1;
      if (ready !== undefined || read !== undefined) this.#endTurn();
    }
    return { waits, refused };
  }

  /** Requests that arrive whether or not others are done, one in five of them critical; returns how long those waited that were begun, and how many were not. */
  run(durationMs: number, everyMs: number): Outcome {
    const end = this.now + durationMs;
    const waits: number[] = [];
    const refused = { critical: 0, normal: 0, sheddable: 0 };
    let count = 0;
    for (let nextAt = this.now; this.now < end; ) {
      const arrived: Arrived[] = [];
      for (; nextAt <= this.now; nextAt += everyMs) {
        arrived.push({ at: nextAt, priority: count++ % 5 === 0 ? 'critical' : 'normal' });
      }
      if (arrived.length === 0) this.rest(nextAt - this.now);
      for (const { at, priority } of arrived) {
        if (this.#begin(priority)) waits.push(this.now - at);
        else refused[priority] += 1;
      }
      if (arrived.length > 0) this.#endTurn();
    }
    return { waits, refused };
  }

  /** Nothing but long turns, until the gate has seen enough. */
  overrun(): void {
    for (let turn = 0; turn < 8; turn++) this.turn(...Array.from({ length: 10 }, () => 'critical' as const));
  }

  #begin(priority: RequestPriority, forMs = workMs): boolean {
    const isRefused = this.gate.refuses(priority);
    this.now += isRefused ? refusalMs : forMs;
    return !isRefused;
  }

  #endTurn(): void {
    const atEnd = this.#atEnd;
    this.#atEnd = undefined;
    atEnd?.();
  }
}

const many = (count: number, priority: RequestPriority) => Array.from({ length: count }, () => priority);

it('does as much as ever when three times as much is asked, keeps nobody waiting, and begins all that is critical', () => {
  const simulation = new Simulation();
  simulation.run(1_000, workMs / 3);
  const { waits, refused } = simulation.run(10_000, workMs / 3);
  expect(refused.critical).toBe(0);
  expect(waits.length * workMs).toBeGreaterThan(0.9 * 10_000);
  expect(Math.max(...waits)).toBeLessThan(2 * targetMs);
});

it('bounds the first turns, too', () => {
  const { waits } = new Simulation().run(2_000, workMs / 3);
  expect(Math.max(...waits)).toBeLessThan(500);
});

it('does so where each request has a connection of its own, and most of what waits has not been accepted', () => {
  const simulation = new Simulation();
  simulation.connect(2_000, workMs / 3, workMs);
  const { waits, refused } = simulation.connect(10_000, workMs / 3, workMs);
  expect(refused.critical).toBe(0);
  expect(waits.length * workMs).toBeGreaterThan(0.8 * 10_000);
  expect(Math.max(...waits)).toBeLessThan(10 * targetMs);
});

it('lets any number of connections come together whose requests are soon done', () => {
  const { refused } = new Simulation().connect(10_000, 0.5, 0.5);
  expect(refused).toEqual({ critical: 0, normal: 0, sheddable: 0 });
});

it('lets connections pass as long as none waits for long, whatever their requests cost', () => {
  const { refused } = new Simulation().connect(10_000, workMs / 0.9, workMs);
  expect(refused).toEqual({ critical: 0, normal: 0, sheddable: 0 });
});

it('takes a turn without a new connection as a sign that none waits, however busy the loop', () => {
  const simulation = new Simulation();
  for (let turn = 0; turn < 500; turn++) {
    if (turn % 2 === 0) simulation.gate.accepted();
    expect(simulation.turn('normal')).toEqual([true]);
  }
});

it('refuses nothing of what the processor does without a queue', () => {
  const { refused } = new Simulation().run(10_000, workMs / 0.95);
  expect(refused).toEqual({ critical: 0, normal: 0, sheddable: 0 });
});

it('lets a burst pass, however long its turn', () => {
  const simulation = new Simulation();
  for (let burst = 0; burst < 10; burst++) {
    expect(simulation.turn(...many(45, 'sheddable'))).not.toContain(false);
    simulation.rest(20);
  }
});

it('lets clients pass that keep the loop busy all the time with turns as short as they should be', () => {
  const simulation = new Simulation();
  for (let turn = 0; turn < 1_000; turn++) {
    expect(simulation.turn(...many(6, 'normal'))).not.toContain(false);
  }
});

it('begins the first of a turn, whatever it is, then what is normal, and at last only what is critical', () => {
  const simulation = new Simulation();
  simulation.overrun();
  expect(simulation.turn('sheddable', 'normal', 'sheddable', 'critical', 'normal')).toEqual([
    true,
    false,
    false,
    true,
    false,
  ]);
  expect(simulation.gate.refuses('normal')).toBe(false);
  simulation.now += 2;
  expect([simulation.gate.refuses('sheddable'), simulation.gate.refuses('normal')]).toEqual([true, false]);
});

it('refuses what is critical, too, where there is too much of that alone', () => {
  const simulation = new Simulation();
  simulation.overrun();
  const begun = simulation.turn(...many(100, 'critical'));
  expect(begun.filter(Boolean).length).toBeGreaterThan(40);
  expect(begun.at(-1)).toBe(false);
});

it('begins anew when the loop has rested', () => {
  const simulation = new Simulation();
  simulation.overrun();
  expect(simulation.turn('normal', 'normal')).toEqual([true, false]);
  simulation.rest(1);
  expect(simulation.turn(...many(20, 'normal'))).not.toContain(false);
});

it('does not take the other work of a busy loop for a turn of requests', () => {
  const simulation = new Simulation();
  simulation.turn('normal');
  for (let request = 0; request < 100; request++) {
    for (let turn = 0; turn < 10; turn++) simulation.work(20);
    expect(simulation.turn('normal', 'normal')).toEqual([true, true]);
  }
});

it('nor what it did while nobody watched', () => {
  const simulation = new Simulation();
  simulation.turn('normal');
  simulation.rest(10);
  for (let turn = 0; turn < 20; turn++) simulation.work(20);
  expect(simulation.turn('normal', 'normal')).toEqual([true, true]);
});

it('watches a loop as long as that is busy, and no longer than it is told to', () => {
  const simulation = new Simulation();
  expect(simulation.isWatched).toBe(false);
  simulation.turn('normal');
  expect(simulation.isWatched).toBe(true);
  simulation.rest(10);
  simulation.work(1);
  expect(simulation.isWatched).toBe(false);
  simulation.turn('normal');
  simulation.gate[Symbol.dispose]();
  expect(simulation.isWatched).toBe(false);
});

it('knows of a real loop whether it has rested, and when a turn is over', async () => {
  const loop = watchNodeLoop();
  await waitFor(() => loop.restedMs() > 0); // which leaves it some between two looks
  const rested = loop.restedMs();
  for (const until = performance.now() + 20; performance.now() < until; );
  let isOver = false;
  loop.afterTurn(() => (isOver = true));
  await new Promise((resolve) => setImmediate(resolve)); // which leaves the loop no rest
  expect([isOver, loop.restedMs()]).toEqual([true, rested]);
  let isCalled = false;
  loop.afterTurn(() => (isCalled = true))[Symbol.dispose]();
  await waitFor(() => loop.restedMs() > rested);
  expect(isCalled).toBe(false);
});
