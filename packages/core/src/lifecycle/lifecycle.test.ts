import { describe, expect, it, vi } from 'vitest';
import { createStage } from '../testing/lifecycle-stage.js';

describe('the lifecycle', () => {
  it('moves from starting to ready to draining to closed, and never back', async () => {
    const { lifecycle, clock } = createStage();
    const states: string[] = [lifecycle.state];
    lifecycle.onState((state) => states.push(state));
    lifecycle.ready();
    lifecycle.ready();
    const ended = lifecycle.shutdown('test');
    lifecycle.ready();
    expect(lifecycle.state).toBe('draining');
    await clock.advance(5_000);
    await ended;
    lifecycle.ready();
    expect(states).toEqual(['starting', 'ready', 'draining', 'closed']);
  });

  it('runs the phases in order and the hooks of one phase together, whatever the order they came in', async () => {
    const { lifecycle, clock, hook, log } = createStage({ readinessDelayMs: 1_000 });
    hook('metrics', 'telemetry');
    hook('cache', 'rooms');
    hook('http', 'requests', 300);
    hook('jobs', 'requests', 200);
    hook('sockets', 'streams', 100);
    hook('consumer', 'intake');
    lifecycle.ready();
    const ended = lifecycle.shutdown('test');
    await clock.advance(2_000);
    expect(log).toEqual([
      'consumer begins at 0',
      'consumer ends at 0',
      'sockets begins at 1000',
      'sockets ends at 1100',
      'http begins at 1100',
      'jobs begins at 1100',
      'jobs ends at 1300',
      'http ends at 1400',
      'cache begins at 1400',
      'cache ends at 1400',
      'metrics begins at 1400',
      'metrics ends at 1400',
    ]);
    expect(await ended).toEqual({ reason: 'test', durationMs: 1_400, clean: true, failed: [], hung: [] });
  });

  it('skips the readiness delay when no balancer could know the instance yet', async () => {
    const { lifecycle, clock } = createStage();
    const ended = lifecycle.shutdown('the database is not there');
    await clock.advance(0);
    expect((await ended).durationMs).toBe(0);
  });

  it('cuts the readiness delay short when it is closed', async () => {
    const { lifecycle, clock, log, hook } = createStage();
    hook('http', 'requests');
    lifecycle.ready();
    const ended = lifecycle.shutdown('test');
    await clock.advance(1_000);
    await lifecycle.close();
    expect(log).toEqual(['http begins at 1000', 'http ends at 1000']);
    expect((await ended).durationMs).toBe(1_000);
  });

  it('aborts what takes longer than its phase, goes on, and reports what never ended', async () => {
    const { lifecycle, clock, hook, log, lines } = createStage();
    hook('stuck', 'streams', Number.POSITIVE_INFINITY);
    hook('quick', 'streams', 10);
    hook('late', 'streams', 9_000);
    hook('http', 'requests');
    const ended = lifecycle.shutdown('test');
    await clock.advance(25_000);
    expect(log).toEqual([
      'stuck begins at 0',
      'quick begins at 0',
      'late begins at 0',
      'quick ends at 10',
      'stuck aborted at 8000',
      'quick aborted at 8000',
      'late aborted at 8000',
      'http begins at 8250',
      'http ends at 8250',
      'late ends at 9000',
    ]);
    const report = await ended;
    expect(report).toMatchObject({ clean: false, failed: [], durationMs: 25_000 });
    expect(report.hung).toEqual([{ name: 'stuck', phase: 'streams' }]);
    expect(lines.at(-1)).toMatchObject({ level: 'error', fields: { hung: ['stuck'] } });
  });

  it('tells an aborted hook that its phase took too long', async () => {
    const { lifecycle, clock } = createStage({ requestsMs: 500 });
    let reason: unknown;
    lifecycle.register({
      name: 'http',
      phase: 'requests',
      stop: ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
            reject(reason);
          });
        }),
    });
    const ended = lifecycle.shutdown('test');
    await clock.advance(500);
    expect((await ended).failed).toEqual([{ name: 'http', phase: 'requests', cause: reason }]);
    expect(reason).toMatchObject({ code: 'PANDO_LIFECYCLE_PHASE_TIMEOUT' });
  });

  it('lets no failing hook stop the others', async () => {
    const { lifecycle, clock, hook, log } = createStage();
    const cause = new Error('no');
    lifecycle.register({ name: 'rejects', phase: 'streams', stop: () => Promise.reject(cause) });
    lifecycle.register({
      name: 'throws',
      phase: 'streams',
      stop() {
        throw cause;
      },
    });
    hook('beside', 'streams', 10);
    hook('after', 'rooms');
    const ended = lifecycle.shutdown('test');
    await clock.advance(10);
    expect(log).toEqual([
      'beside begins at 0',
      'beside ends at 10',
      'after begins at 10',
      'after ends at 10',
    ]);
    expect((await ended).failed).toEqual([
      { name: 'rejects', phase: 'streams', cause },
      { name: 'throws', phase: 'streams', cause },
    ]);
  });

  it('shrinks all times in proportion when they need longer than the total', async () => {
    const { lifecycle, clock, hook, log } = createStage({ totalMs: 2_500 });
    hook('sockets', 'streams', Number.POSITIVE_INFINITY);
    lifecycle.ready();
    void lifecycle.shutdown('test');
    await clock.advance(2_500);
    expect(log).toEqual(['sockets begins at 500', 'sockets aborted at 1300']);
    expect(lifecycle.state).toBe('closed');
  });

  it('never takes longer than the total, even when a hook of every phase hangs', async () => {
    const { lifecycle, clock, hook } = createStage();
    for (const phase of ['intake', 'streams', 'requests', 'rooms', 'telemetry'] as const) {
      hook(phase, phase, Number.POSITIVE_INFINITY);
    }
    lifecycle.ready();
    const ended = lifecycle.shutdown('test');
    await clock.advance(25_000);
    const report = await ended;
    expect(report.durationMs).toBe(25_000);
    expect(report.hung.map(({ name }) => name)).toEqual([
      'intake',
      'streams',
      'requests',
      'rooms',
      'telemetry',
    ]);
  });

  it('shuts down once, however often it is asked', async () => {
    const { lifecycle, clock, hook, log } = createStage();
    hook('http', 'requests', 100);
    const first = lifecycle.shutdown('one');
    const second = lifecycle.shutdown('two');
    const closed = lifecycle.close();
    await clock.advance(100);
    expect(await second).toBe(await first);
    expect((await first).reason).toBe('one');
    await closed;
    await lifecycle.close();
    expect(log).toHaveLength(2);
  });

  it('does not wait for itself when a hook closes it, and is closed behind that all the same', async () => {
    const { lifecycle, clock, hook, log } = createStage();
    lifecycle.register({
      name: 'server',
      phase: 'requests',
      stop: async () => {
        await lifecycle.close();
        log.push('server closed');
      },
    });
    hook('cache', 'rooms', 100);
    const shutdown = lifecycle.shutdown('test');
    await clock.advance(1);
    expect(log).toContain('server closed');
    expect(lifecycle.state).toBe('draining');
    await clock.advance(100);
    expect(await shutdown).toMatchObject({ clean: true });
    expect(lifecycle.state).toBe('closed');
    expect(clock.pending).toBe(0);
  });

  it('ends the wait, not the shutdown, when the caller aborts', async () => {
    const { lifecycle, clock, hook } = createStage();
    hook('http', 'requests', 100);
    const controller = new AbortController();
    const waiting = lifecycle.shutdown('test', { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await clock.advance(100);
    expect(lifecycle.state).toBe('closed');
  });

  it('takes hooks while it drains, until their phase begins', async () => {
    const { lifecycle, clock, hook, log } = createStage();
    hook('sockets', 'streams', 100);
    void lifecycle.shutdown('test');
    await clock.advance(0);
    hook('late', 'rooms');
    expect(() => hook('too late', 'streams')).toThrow('The hook "too late" came too late');
    await clock.advance(100);
    expect(log).toContain('late ends at 100');
  });

  it('forgets a hook that was disposed', async () => {
    const { lifecycle, clock } = createStage();
    const stop = vi.fn();
    const hook = lifecycle.register({ name: 'gone', phase: 'rooms', stop });
    hook[Symbol.dispose]();
    void lifecycle.shutdown('test');
    await clock.advance(0);
    expect(lifecycle.state).toBe('closed');
    expect(stop).not.toHaveBeenCalled();
  });

  it('reports a hook that was disposed while it ran', async () => {
    const { lifecycle, clock } = createStage();
    const hook = lifecycle.register({
      name: 'http',
      phase: 'requests',
      async stop() {
        hook[Symbol.dispose]();
        throw new Error('no');
      },
    });
    const ended = lifecycle.shutdown('test');
    await clock.advance(0);
    expect((await ended).failed).toMatchObject([{ name: 'http' }]);
  });

  it('aborts its draining signal when it begins to drain', () => {
    const { lifecycle } = createStage();
    expect(lifecycle.draining.aborted).toBe(false);
    void lifecycle.shutdown('test');
    expect(lifecycle.draining.aborted).toBe(true);
  });

  it('keeps the process alive while hooks run, and no longer', async () => {
    const { lifecycle, clock, hook, held } = createStage();
    hook('http', 'requests', 100);
    expect(held()).toBe(0);
    const ended = lifecycle.shutdown('test');
    await clock.advance(50);
    expect(held()).toBe(1);
    await clock.advance(50);
    await ended;
    expect(held()).toBe(0);
  });

  it('leaves no timer behind', async () => {
    const { lifecycle, clock, hook } = createStage();
    hook('http', 'requests', 100);
    lifecycle.ready();
    const ended = lifecycle.shutdown('test');
    await clock.advance(6_000);
    await ended;
    expect(clock.pending).toBe(0);
  });
});
