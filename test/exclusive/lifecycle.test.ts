import type { LifecycleOptions } from '@pando/core/lifecycle';
import { waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { startInstances } from '../infra/instances.js';

const entry = new URL('../fixtures/lifecycle-app.ts', import.meta.url).pathname;

async function startApp(options: LifecycleOptions, env: NodeJS.ProcessEnv = {}) {
  const group = await startInstances({ entry, env: { OPTIONS: JSON.stringify(options), ...env } });
  onTestFinished(() => group.close());
  const [app] = group.instances;
  if (app === undefined) throw new Error('The app did not start.');
  return {
    app,
    lines: () => app.output().split('\n'),
    send: (signal: NodeJS.Signals) => process.kill(app.pid as number, signal),
    says: (line: string) =>
      waitFor(() => app.output().split('\n').includes(line), { message: `"${line}"`, intervalMs: 5 }),
  };
}

it('a real process that gets SIGTERM takes leave in order and exits with 0', async () => {
  const { app, lines } = await startApp({ readinessDelayMs: 100 });
  expect(await app.terminate()).toEqual({ code: 0, signal: null });
  expect(lines()).toEqual([
    'ready',
    'ready to be stopped',
    'draining',
    'intake begins',
    'intake ends',
    'streams begins',
    'streams ends',
    'requests begins',
    'requests ends',
    'rooms begins',
    'rooms ends',
    'telemetry begins',
    'telemetry ends',
    'closed',
  ]);
});

it('a real process with a hook that hangs exits with 1 at its deadline, everything else done', async () => {
  const { app, lines } = await startApp({ readinessDelayMs: 0, totalMs: 1_000 }, { HANG: 'requests' });
  const beganAt = performance.now();
  expect(await app.terminate()).toEqual({ code: 1, signal: null });
  const tookMs = performance.now() - beganAt;
  expect(tookMs).toBeGreaterThan(900);
  expect(tookMs).toBeLessThan(5_000);
  expect(lines()).not.toContain('requests ends');
  expect(lines()).toEqual(expect.arrayContaining(['rooms ends', 'telemetry ends', 'closed']));
});

it('a real process leaves at once when a second signal comes that is no echo of the first', async () => {
  const { app, lines, send, says } = await startApp({}, { HANG: 'streams' });
  send('SIGINT');
  await says('draining');
  const insist = () => app.running && send('SIGTERM');
  await waitFor(() => !insist(), { message: 'the process has left', timeoutMs: 5_000, intervalMs: 100 });
  expect(await app.terminate()).toEqual({ code: 1, signal: null });
  expect(lines()).not.toContain('closed');
});

it.each(['throw', 'reject'])(
  'a real process with an error that nobody caught (%s) takes leave in order, prints it and exits with 1',
  async (how) => {
    const { app, lines } = await startApp({}, { THROW: how });
    await waitFor(() => !app.running, { message: 'the process has left', timeoutMs: 10_000 });
    expect(await app.terminate()).toEqual({ code: 1, signal: null });
    expect(lines()).toEqual(expect.arrayContaining(['draining', 'requests ends', 'rooms ends', 'closed']));
    expect(app.output()).toMatch(/Error: nobody caught this\n\s+at /);
    expect(app.output().indexOf('nobody caught this')).toBeGreaterThan(app.output().indexOf('closed'));
  },
);

it('a real process that listens to uncaught errors itself keeps them', async () => {
  const { app, lines, says } = await startApp({ readinessDelayMs: 0 }, { THROW: 'throw', LISTENS: 'yes' });
  await says('heard');
  expect(lines()).not.toContain('draining');
  expect(await app.terminate()).toEqual({ code: 0, signal: null });
});

it('a real process that leaves signals to the application dies of them', async () => {
  const { app, lines } = await startApp({ signals: false });
  expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' });
  expect(lines()).not.toContain('draining');
});

it('a real process dies of signals as before once the lifecycle is closed', async () => {
  const { app, says } = await startApp({}, { CLOSE: 'yes' });
  await says('closed');
  await says('ready to be stopped');
  expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' });
});
