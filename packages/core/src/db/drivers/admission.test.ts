import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.js';
import type { AcquireOptions, Urgency } from '../ports.js';
import { Admission, type AdmissionOptions } from './admission.js';

function setup(options: Partial<AdmissionOptions> = {}) {
  const clock = createFakeClock();
  const admission = new Admission({
    max: 1,
    maxWaiting: 100,
    timeoutMs: 5_000,
    clock,
    overloaded: (waiting, waitedMs) => new Error(`${waiting} wait, waited ${waitedMs}`),
    ...options,
  });
  const order: string[] = [];
  const enter = (name: string, rest: Partial<AcquireOptions> = {}) =>
    admission.enter({ lane: 'main', ...rest }).then(
      () => void order.push(name),
      (error: Error) => void order.push(`${name}: ${error.message}`),
    );
  /** Ends one stay after the other, and says who came in. */
  const serve = async (times: number) => {
    for (let i = 0; i < times; i++) {
      admission.leave('main');
      await clock.advance(0);
    }
    return order.splice(0);
  };
  return { clock, admission, order, enter, serve };
}

describe('admission', () => {
  it('lets writes in first, then reads, then what is for batch, each in order of arrival', async () => {
    const { enter, serve, admission } = setup();
    void enter('first');
    for (const turn of [1, 2]) {
      for (const urgency of ['batch', 'read', 'write'] as const)
        void enter(`${urgency} ${turn}`, { urgency });
    }
    expect(admission.waiting).toBe(6);
    expect(await serve(7)).toEqual([
      'first',
      ...['write 1', 'write 2', 'read 1', 'read 2', 'batch 1', 'batch 2'],
    ]);
    expect(admission).toMatchObject({ inUse: 0, waiting: 0 });
  });

  it('knows how long who has waited longest has waited', async () => {
    const { clock, admission, enter, serve } = setup();
    void enter('first');
    expect(admission.waitedMs).toBe(0);
    void enter('batch', { urgency: 'batch' });
    await clock.advance(300);
    void enter('write');
    await clock.advance(100);
    expect(admission.waitedMs).toBe(400);
    await serve(1); // the write
    expect(admission.waitedMs).toBe(400);
    await serve(1);
    expect(admission.waitedMs).toBe(0);
  });

  it('passes nobody for good: who has waited long goes ahead of writes that come then', async () => {
    const { clock, enter, serve } = setup({ timeoutMs: 5_000 });
    void enter('first');
    void enter('batch', { urgency: 'batch' });
    await clock.advance(1_700);
    void enter('read', { urgency: 'read' });
    await clock.advance(250);
    void enter('early write');
    await clock.advance(100);
    void enter('late write');
    await clock.advance(200);
    void enter('latest write');
    expect(await serve(6)).toEqual(['first', 'early write', 'batch', 'late write', 'read', 'latest write']);
  });

  it('serves batch within a bound while writes alone are more than it can serve', async () => {
    // One place, a stay of 10 ms, a write each 9 ms: its queue grows without end.
    const { clock, admission, enter, order } = setup({ timeoutMs: 1_000, maxWaiting: 10_000 });
    void enter('first');
    void enter('batch', { urgency: 'batch' });
    let servedAt: number | undefined;
    for (let ms = 0; ms < 1_000 && servedAt === undefined; ms++) {
      if (ms % 9 === 0) void enter('write');
      if (ms % 10 === 9) admission.leave('main');
      await clock.advance(1);
      if (order.includes('batch')) servedAt = ms;
    }
    expect(servedAt).toBeGreaterThan(300); // writes do go first
    expect(servedAt).toBeLessThan(500);
  });

  it('gives up who would be served last when the queue is full, be it the newcomer', async () => {
    const { enter, serve, order, clock } = setup({ maxWaiting: 3 });
    void enter('first');
    void enter('old batch', { urgency: 'batch' });
    void enter('batch', { urgency: 'batch' });
    void enter('read', { urgency: 'read' });
    void enter('write');
    void enter('late batch', { urgency: 'batch' });
    await clock.advance(0);
    expect(order.splice(0).toSorted()).toEqual([
      'batch: 3 wait, waited undefined',
      'first',
      'late batch: 3 wait, waited undefined',
    ]);
    void enter('second write');
    void enter('third write');
    void enter('fourth write');
    await clock.advance(0);
    expect(order.splice(0).toSorted()).toEqual([
      'fourth write: 3 wait, waited undefined',
      'old batch: 3 wait, waited undefined',
      'read: 3 wait, waited undefined',
    ]);
    expect(await serve(4)).toEqual(['write', 'second write', 'third write']);
  });

  it('lets others pass those that wait for a place of their lane', async () => {
    const { enter, serve, admission } = setup({ max: 2 });
    void enter('spill', { lane: 'spill' });
    void enter('first');
    void enter('second spill', { lane: 'spill' });
    void enter('batch', { urgency: 'batch' });
    expect(await serve(1)).toEqual(['spill', 'first', 'batch']);
    admission.leave('spill');
    expect(await serve(1)).toEqual(['second spill']);
  });

  it('lets nobody in while more are inside than it may hold by now, and fills up when it may hold more', async () => {
    const { enter, serve, admission, order, clock } = setup({ max: 3 });
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) void enter(name);
    admission.resize(1);
    expect(await serve(2)).toEqual(['a', 'b', 'c']);
    expect(await serve(1)).toEqual(['d']);
    admission.resize(3);
    await clock.advance(0);
    expect(order).toEqual(['e', 'f']);
  });

  it('settles each caller once, whatever the order of coming, leaving, aborting and time', async () => {
    const urgency = fc.constantFrom<Urgency>('write', 'read', 'batch');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('enter' as const), urgency, lane: fc.constantFrom('main', 'spill') }),
      fc.record({ kind: fc.constant('abort' as const), index: fc.nat({ max: 30 }) }),
      fc.record({ kind: fc.constant('resize' as const), max: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constantFrom('leave' as const, 'advance' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, admission } = setup({ max: 2, maxWaiting: 4, timeoutMs: 100 });
        const inside: AcquireOptions[] = [];
        const aborts: AbortController[] = [];
        let [asked, settled, most] = [0, 0, 2];
        for (const next of steps) {
          if (next.kind === 'enter') {
            const abort = new AbortController();
            aborts.push(abort);
            asked++;
            const lane = next.lane as AcquireOptions['lane'];
            const options = { lane, urgency: next.urgency, signal: abort.signal };
            const entered = admission.enter(options).then(() => inside.push(options));
            entered.catch(() => undefined).finally(() => settled++);
          } else if (next.kind === 'leave') {
            const left = inside.shift();
            if (left) admission.leave(left.lane);
          } else if (next.kind === 'resize') {
            admission.resize(next.max);
            most = Math.max(most, next.max);
          } else if (next.kind === 'abort') aborts[next.index]?.abort(new Error('left'));
          await clock.advance(next.kind === 'advance' ? 30 : 0);
          expect(admission.inUse).toBe(inside.length);
          expect(admission.inUse).toBeLessThanOrEqual(most);
          expect(admission.waiting).toBe(asked - settled);
          expect(admission.waiting).toBeLessThanOrEqual(4);
        }
        await clock.advance(100);
        expect(settled).toBe(asked);
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
