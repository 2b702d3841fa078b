import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.js';
import { abortable, deadline } from './abort.js';
import { sleep } from './clock.js';

const never = new Promise<never>(() => undefined);
const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

describe('abortable', () => {
  it('settles like the work, and leaves nothing on the signal', async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    await expect(abortable(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
    expect(listeners(signal)).toBe(0);
  });

  it('rejects with the reason when the signal aborts, before or during the wait', async () => {
    const reason = new Error('gone');
    await expect(abortable(never, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const waiting = abortable(never, controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  it('leaves no unhandled rejection behind when the work fails after the abort', async () => {
    await expect(
      abortable(Promise.reject(new Error('late')), AbortSignal.abort(new Error('gone'))),
    ).rejects.toThrow('gone');
  });
});

describe('deadline', () => {
  it('aborts with its own reason when the time is up', async () => {
    const clock = createFakeClock();
    using scope = deadline(clock, 100, () => new Error('too late'));
    await clock.advance(99);
    expect(scope.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(scope.signal.reason).toEqual(new Error('too late'));
  });

  it("follows its parent, with the parent's reason, also when that has aborted already", () => {
    const clock = createFakeClock();
    const parent = new AbortController();
    using scope = deadline(clock, 100, () => new Error('too late'), parent.signal);
    parent.abort(new Error('gone'));
    expect(scope.signal.reason).toEqual(new Error('gone'));
    using late = deadline(clock, 100, () => new Error('too late'), parent.signal);
    expect(late.signal.reason).toEqual(new Error('gone'));
  });

  it('leaves no timer and no listener once disposed', () => {
    const clock = createFakeClock();
    const parent = new AbortController();
    deadline(clock, 100, () => new Error('x'), parent.signal)[Symbol.dispose]();
    expect([clock.pending, listeners(parent.signal)]).toEqual([0, 0]);
  });
});

describe('sleep', () => {
  it('resolves when the time is up, or rejects when told to stop, leaving no timer', async () => {
    const clock = createFakeClock();
    const slept = sleep(clock, 50);
    await clock.advance(50);
    await slept;
    const controller = new AbortController();
    const cut = sleep(clock, 50, { signal: controller.signal });
    controller.abort(new Error('stop'));
    await expect(cut).rejects.toThrow('stop');
    expect(clock.pending).toBe(0);
  });
});
