import { describe, expect, it } from 'vitest';
import { createStage } from '../testing/lifecycle-stage.js';
import type { LifecycleOptions } from './index.js';

describe('signals', () => {
  it('begin the shutdown, and the process exits with 0 at its end', async () => {
    const { send, clock, hook, exits, lifecycle, heard } = createStage();
    expect(heard()).toEqual(['SIGTERM', 'SIGINT']);
    hook('http', 'requests', 100);
    lifecycle.ready();
    send('SIGTERM');
    await clock.advance(5_099);
    expect(exits).toEqual([]);
    await clock.advance(1);
    expect(exits).toEqual([0]);
    expect(await lifecycle.shutdown('again')).toMatchObject({ reason: 'SIGTERM' });
  });

  it('make the process exit with 1 when a hook hangs', async () => {
    const { send, clock, hook, exits } = createStage();
    hook('stuck', 'rooms', Number.POSITIVE_INFINITY);
    send('SIGINT');
    await clock.advance(24_999);
    expect(exits).toEqual([]);
    await clock.advance(1);
    expect(exits).toEqual([1]);
  });

  it('make the process exit with 1 when a hook fails', async () => {
    const { send, clock, lifecycle, exits } = createStage();
    lifecycle.register({ name: 'bad', phase: 'rooms', stop: () => Promise.reject(new Error('no')) });
    send('SIGINT');
    await clock.advance(0);
    expect(exits).toEqual([1]);
  });

  it('make the process exit at once when a second one comes that is no echo of the first', async () => {
    const { send, clock, hook, exits } = createStage();
    hook('http', 'requests', 5_000);
    send('SIGINT');
    await clock.advance(999);
    send('SIGTERM'); // npm passes on what the whole group has had already
    expect(exits).toEqual([]);
    await clock.advance(1);
    send('SIGTERM');
    expect(exits).toEqual([1]);
  });

  it('are left alone when `signals` is false', () => {
    expect(createStage({ signals: false }).heard()).toEqual([]);
  });

  it('are left alone once they are released, which ends nothing', async () => {
    const { lifecycle, heard } = createStage();
    lifecycle.ready();
    lifecycle.releaseSignals();
    lifecycle.releaseSignals();
    expect([heard(), lifecycle.state]).toEqual([[], 'ready']);
    await lifecycle.close();
    expect(lifecycle.state).toBe('closed');
  });

  it('are left alone again after close', async () => {
    const { lifecycle, heard } = createStage();
    await lifecycle.close();
    expect(heard()).toEqual([]);
  });

  it('get their default effect back after the first when `exit` is false', async () => {
    const { send, clock, heard, exits, lifecycle } = createStage({ exit: false });
    send('SIGTERM');
    await clock.advance(0);
    expect(lifecycle.state).toBe('closed');
    await clock.advance(999);
    expect(heard()).not.toEqual([]); // an echo of the first must not kill
    await clock.advance(1);
    expect(heard()).toEqual([]);
    expect(exits).toEqual([]);
  });
});

describe('the process', () => {
  it('stays when no signal began the shutdown', async () => {
    const { lifecycle, clock, exits } = createStage();
    void lifecycle.shutdown('test');
    await clock.advance(0);
    expect(lifecycle.state).toBe('closed');
    expect(exits).toEqual([]);
  });

  it('exits when the option says so', async () => {
    const { lifecycle, clock, exits } = createStage({ exit: true });
    void lifecycle.shutdown('test');
    await clock.advance(0);
    expect(exits).toEqual([0]);
  });
});

describe('options', () => {
  it.each([
    [{ totalMs: 0 }, 'lifecycle.totalMs must be a positive number of milliseconds, got 0.'],
    [{ signals: ['SIGKILL'] }, 'lifecycle.signals must be false or a list of signals that can be caught'],
    [{ signals: 'SIGTERM' }, 'lifecycle.signals must be false or a list of signals that can be caught'],
    [{ exit: 'yes' }, 'lifecycle.exit must be true or false, got "yes".'],
    [{ streamMs: 1 }, 'unknown option "streamMs" in lifecycle. Did you mean "streamsMs"?'],
  ])('%j is refused', (options, message) => {
    expect(() => createStage(options as LifecycleOptions)).toThrow(message);
  });
});
