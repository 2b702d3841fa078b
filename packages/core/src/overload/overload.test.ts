import { expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createMemoryRegistry, createMetrics } from '../metrics/index.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createOverload, type Overload, type OverloadOptions, type RequestPriority } from './index.js';

/** A room on a clock that stands still, in a process whose lag and pool are what a test says. */
async function roomOf(options: OverloadOptions = {}) {
  const clock = createFakeClock();
  const registry = createMemoryRegistry();
  const { meter } = createMetrics({ registry });
  const told = {
    lagMs: 0,
    restedMs: 0,
    isBusy: false,
    turnMs: 1,
    waiting: 0,
    chance: 0.5,
    isListening: false,
  };
  const overload = createOverload(options, {
    kernel: createKernel({ clock, meter }),
    waitingPerConnection: () => told.waiting,
    random: () => told.chance,
    watchLoop: () => ({
      restedMs() {
        if (!told.isBusy) told.restedMs += 0.001;
        return told.restedMs;
      },
      afterTurn: (listener) => clock.after(told.turnMs, listener),
    }),
    measureLag: () => {
      told.isListening = true;
      return {
        take: () => told.lagMs,
        [Symbol.dispose]() {
          told.isListening = false;
        },
      };
    },
  });
  await overload.start();
  return { overload, clock, registry, told };
}

const outcomes = (overload: Overload, priorities: readonly RequestPriority[]) =>
  priorities.map((priority) => {
    const admission = overload.admit({ priority });
    return admission.admitted ? 'admitted' : admission.reason;
  });
const all: readonly RequestPriority[] = ['sheddable', 'normal', 'critical'];

/** Admits so many that none is over. */
function fill(overload: Overload, count: number, priority: RequestPriority = 'critical'): void {
  for (let one = 0; one < count; one++) overload.admit({ priority });
}

it('refuses what is sheddable first, then what is normal, and last what is critical', async () => {
  const { overload } = await roomOf({ initialConcurrency: 10 });
  fill(overload, 5);
  expect(outcomes(overload, ['sheddable'])).toEqual(['concurrency']);
  fill(overload, 3, 'normal');
  expect(outcomes(overload, ['normal', 'critical'])).toEqual(['concurrency', 'admitted']);
  fill(overload, 6);
  expect(outcomes(overload, all)).toEqual(['concurrency', 'concurrency', 'concurrency']);
});

it('has room again when something is over, once for each', async () => {
  const { overload } = await roomOf({ minConcurrency: 1, initialConcurrency: 1 });
  const first = overload.admit();
  expect(overload.admit().admitted).toBe(false);
  if (first.admitted) first.done();
  if (first.admitted) first.done();
  expect(overload.groups().get('default')).toEqual({ inFlight: 0, limit: 1 });
  expect([overload.admit().admitted, overload.admit().admitted]).toEqual([true, false]);
});

it('says when to ask again, to each something else', async () => {
  const { overload, told } = await roomOf({ minConcurrency: 1, initialConcurrency: 1 });
  fill(overload, 1);
  told.chance = 0;
  expect(overload.admit()).toEqual({ admitted: false, reason: 'concurrency', retryAfterMs: 1_000 });
  told.chance = 0.75;
  expect(overload.admit()).toEqual({ admitted: false, reason: 'concurrency', retryAfterMs: 2_500 });
});

it('keeps groups apart, and names the nearest of one that there is not', async () => {
  const { overload } = await roomOf({ groups: { search: { minConcurrency: 1, initialConcurrency: 1 } } });
  overload.admit({ group: 'search' });
  expect(overload.admit({ group: 'search' }).admitted).toBe(false);
  expect(overload.admit().admitted).toBe(true);
  expect(() => overload.admit({ group: 'serach' })).toThrow('Did you mean "search"?');
});

it('refuses more and more while the event loop is late, and less when it is not', async () => {
  const { overload, clock, told } = await roomOf();
  told.lagMs = 100;
  await clock.advance(300);
  told.chance = 0.1;
  expect(outcomes(overload, all)).toEqual(['lag', 'admitted', 'admitted']);
  await clock.advance(300);
  told.chance = 0.7;
  expect(outcomes(overload, all)).toEqual(['lag', 'lag', 'admitted']);
  await clock.advance(5_000);
  expect(outcomes(overload, all)).toEqual(['lag', 'lag', 'lag']);
  told.lagMs = 0;
  await clock.advance(10_000);
  expect(outcomes(overload, all)).toEqual(['admitted', 'admitted', 'admitted']);
});

it('refuses nothing because of the event loop as long as that has time to rest, however late it is', async () => {
  const { overload, clock, told } = await roomOf();
  for (let look = 0; look < 50; look++) {
    told.lagMs = 200;
    told.restedMs += 30;
    await clock.advance(100);
  }
  told.chance = 0;
  expect(outcomes(overload, all)).toEqual(['admitted', 'admitted', 'admitted']);
});

it('takes in little at a time once the turns of the loop have been too long for long', async () => {
  const { overload, clock, told } = await roomOf({ targetLagMs: 5 });
  Object.assign(told, { isBusy: true, turnMs: 50 });
  overload.admit();
  await clock.advance(49);
  expect(outcomes(overload, all)).toEqual(['lag', 'lag', 'lag']);
});

it('begins little while connections wait for long to be accepted', async () => {
  const { overload, clock, told } = await roomOf();
  Object.assign(told, { isBusy: true, turnMs: 4 });
  for (let turn = 0; turn < 60; turn++) {
    overload.accepted();
    const admission = overload.admit();
    if (admission.admitted) admission.done();
    await clock.advance(4);
  }
  expect(outcomes(overload, all)).toEqual(['lag', 'lag', 'admitted']);
});

it('admits only what is critical while too many wait for the database, but for a moment of it', async () => {
  const { overload, clock, told } = await roomOf();
  told.waiting = 2.5;
  await clock.advance(100);
  expect(outcomes(overload, all)).toEqual(['admitted', 'admitted', 'admitted']);
  await clock.advance(100);
  expect(outcomes(overload, all)).toEqual(['waiting', 'waiting', 'admitted']);
  told.waiting = 1;
  await clock.advance(100);
  expect(outcomes(overload, all)).toEqual(['admitted', 'admitted', 'admitted']);
});

it('admits only what is critical while the heap is nearly full', async () => {
  const { overload, clock } = await roomOf({ maxHeapRatio: 0.000_001 });
  await clock.advance(200);
  expect(outcomes(overload, all)).toEqual(['memory', 'memory', 'admitted']);
});

it('does not begin what nobody waits for any more', async () => {
  const { overload, clock } = await roomOf();
  const late = overload.admit({ priority: 'critical', deadlineAt: clock.now() });
  expect(late).toMatchObject({ admitted: false, reason: 'expired' });
  expect(overload.admit({ deadlineAt: clock.now() + 1 }).admitted).toBe(true);
  const gone = overload.admit({ signal: AbortSignal.abort() });
  expect(gone).toMatchObject({ admitted: false, reason: 'gone' });
});

it('only counts whom it would refuse, when it observes', async () => {
  const { overload, registry } = await roomOf({
    mode: 'observe',
    minConcurrency: 1,
    initialConcurrency: 1,
  });
  expect([overload.admit().admitted, overload.admit().admitted]).toEqual([true, true]);
  const labels = { group: 'default', priority: 'normal' };
  const seen = (outcome: string) => registry.value('pando_overload_requests_total', { ...labels, outcome });
  expect([await seen('admitted'), await seen('concurrency')]).toEqual([1, 1]);
});

it('lets one call in ten be made again, after ten for a start', async () => {
  const { overload, registry } = await roomOf();
  const budget = overload.retryBudget('mail');
  const retries = (count: number) => Array.from({ length: count }, () => budget.mayRetry());
  expect(retries(11)).toEqual([...Array.from({ length: 10 }, () => true), false]);
  for (let call = 0; call < 21; call++) overload.retryBudget('mail').called();
  expect(retries(3)).toEqual([true, true, false]);
  expect(overload.retryBudget('other').mayRetry()).toBe(true);
  const refused = { budget: 'mail', outcome: 'refused' };
  expect(await registry.value('pando_overload_retries_total', refused)).toBe(2);
});

it('leaves no timer and nobody listening behind when it closes', async () => {
  const { overload, clock, told } = await roomOf();
  await overload.start();
  overload.admit();
  expect([clock.pending, told.isListening]).toEqual([2, true]);
  await overload.close();
  await overload.close();
  expect([clock.pending, told.isListening]).toEqual([0, false]);
});

it('listens to nothing that it is told to leave alone', async () => {
  const { overload, clock, told } = await roomOf({ targetLagMs: false, maxWaitingPerConnection: false });
  told.waiting = 1_000;
  await clock.advance(1_000);
  expect(told.isListening).toBe(false);
  expect(outcomes(overload, all)).toEqual(['admitted', 'admitted', 'admitted']);
});

it('feels a real event loop that stands still', async () => {
  await using overload = createOverload({}, { random: () => 0 });
  await overload.start();
  const standStill = () => {
    const until = performance.now() + 150;
    while (performance.now() < until);
  };
  // Each turn of the loop takes longer than it may be late.
  for (let turn = 0; turn < 20 && overload.admit({ priority: 'sheddable' }).admitted; turn++) {
    standStill();
    await new Promise((resolve) => setTimeout(resolve));
  }
  expect(overload.admit({ priority: 'sheddable' })).toMatchObject({ reason: 'lag' });
});

it('feels a real event loop that does not rest, in whose turns there is too much, and begins one request in each', async () => {
  await using overload = createOverload({}, { random: () => 1 });
  await overload.start();
  const burn = () => {
    const until = performance.now() + 10;
    while (performance.now() < until);
  };
  const turn = () =>
    Array.from({ length: 4 }, () => {
      const admission = overload.admit();
      if (!admission.admitted) return admission.reason;
      burn();
      admission.done();
      return 'admitted';
    });
  const seen: string[][] = [];
  while (seen.length < 50 && seen.at(-1)?.includes('lag') !== true) {
    seen.push(turn());
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(turn()).toEqual(['admitted', 'lag', 'lag', 'lag']);
  expect(overload.admit({ priority: 'critical' }).admitted).toBe(true);
});

it.each([
  [{ minConcurrency: 50, maxConcurrency: 10 }, 'overload.maxConcurrency must be at least minConcurrency, 50'],
  [{ initialConcurrency: 2 }, 'overload.initialConcurrency must be a whole number from 5 to 1000, got 2'],
  [{ groups: { default: {} } }, 'left out: it is what overload itself says'],
  [{ groups: { a: { maxConcurency: 5 } } }, 'Did you mean "maxConcurrency"?'],
  [{ deadlineHeader: 'x deadline' }, 'overload.deadlineHeader must be the name of a header, or false'],
  [{ targetLagMs: '25ms' }, 'Did you mean 25?'],
])('refuses options that cannot be right: %j', (options, message) => {
  expect(() => createOverload(options as OverloadOptions)).toThrow(message);
});
