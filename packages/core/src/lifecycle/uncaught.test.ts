import { describe, expect, it } from 'vitest';
import { createStage } from '../testing/lifecycle-stage.js';
import type { LifecycleOptions } from './index.js';

const cause = new Error('nobody caught this');

describe('an error that nobody caught', () => {
  it('ends the process with it, after a shutdown without readiness delay', async () => {
    const { lifecycle, clock, fail, hook, log, lines, crashes, exits } = createStage();
    hook('http', 'requests', 100);
    lifecycle.ready();
    fail(cause);
    expect(lifecycle.state).toBe('draining');
    expect(lines[0]).toEqual({ level: 'error', fields: { err: cause } });
    await clock.advance(99);
    expect(crashes).toEqual([]);
    await clock.advance(1);
    expect(log).toEqual(['http begins at 0', 'http ends at 100']);
    expect(crashes).toEqual([cause]);
    expect(exits).toEqual([]);
  });

  it('ends the process within a time of its own, in which all phases have their share', async () => {
    const { clock, fail, hook, log, crashes } = createStage();
    for (const phase of ['streams', 'requests', 'rooms'] as const)
      hook(phase, phase, Number.POSITIVE_INFINITY);
    fail(cause);
    await clock.advance(4_999);
    expect(crashes).toEqual([]);
    expect(log.filter((line) => line.includes('begins'))).toHaveLength(3);
    await clock.advance(1);
    expect(crashes).toEqual([cause]);
  });

  it('is told when it is not the first, and the first is what the process ends with', async () => {
    const { clock, fail, hook, lines, crashes } = createStage();
    hook('http', 'requests', 100);
    fail(cause);
    fail(new Error('another'));
    await clock.advance(100);
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(2);
    expect(crashes).toEqual([cause]);
  });

  it('in a shutdown does not cut it short, but is what the process ends with', async () => {
    const { clock, send, fail, hook, log, crashes, exits } = createStage();
    hook('http', 'requests', 6_000);
    send('SIGTERM');
    fail(cause);
    await clock.advance(6_000);
    expect(log).toContain('http ends at 6000');
    expect([crashes, exits]).toEqual([[cause], []]);
  });

  it('after a shutdown of a process that goes on ends it at once', async () => {
    const { lifecycle, clock, fail, crashes } = createStage();
    void lifecycle.shutdown('test');
    await clock.advance(0);
    fail(cause);
    await clock.advance(0);
    expect(crashes).toEqual([cause]);
  });

  it.each<LifecycleOptions>([{ uncaughtMs: false }, { signals: false }, { exit: false }])(
    'is left to Node with %j',
    async (options) => {
      const { lifecycle, fail } = createStage(options);
      fail(cause);
      expect(lifecycle.state).toBe('starting');
    },
  );

  it('is left to Node once signals are released, or the lifecycle is closed', async () => {
    const released = createStage();
    released.lifecycle.releaseSignals();
    released.fail(cause);
    expect(released.lifecycle.state).toBe('starting');
    const closed = createStage();
    await closed.lifecycle.close();
    closed.fail(cause);
    await closed.clock.advance(0);
    expect(closed.crashes).toEqual([]);
  });
});
