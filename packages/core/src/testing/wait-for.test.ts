import { expect, test } from 'vitest';
import { WaitTimeoutError, waitFor } from './wait-for.js';

test('returns the truthy value that the condition gave', async () => {
  let looks = 0;
  expect(await waitFor(() => ++looks === 3 && { looks }, { intervalMs: 1 })).toEqual({ looks: 3 });
});

test('a condition that throws counts as not yet true', async () => {
  let looks = 0;
  const value = await waitFor(
    async () => {
      looks += 1;
      if (looks < 3) throw new Error('not yet');
      return 'there';
    },
    { intervalMs: 1 },
  );
  expect(value).toBe('there');
});

test('says what it waited for and what the condition last threw', async () => {
  const failure = new Error('no route');
  const waiting = waitFor(() => Promise.reject(failure), {
    timeoutMs: 5,
    intervalMs: 1,
    message: () => 'the server',
  });
  await expect(waiting).rejects.toThrow(WaitTimeoutError);
  await expect(waiting).rejects.toMatchObject({
    message: 'Waited 5 ms for the server, in vain. Last failure: no route',
    cause: failure,
    code: 'PANDO_TESTING_WAIT_TIMEOUT',
  });
});

test('looks once more after the time is up', async () => {
  let looks = 0;
  expect(await waitFor(() => ++looks === 2, { timeoutMs: 1, intervalMs: 10 })).toBe(true);
});

test('ends with the reason of the signal, also while it pauses', async () => {
  const controller = new AbortController();
  const waiting = waitFor(() => false, { signal: controller.signal, intervalMs: 60_000, timeoutMs: 120_000 });
  setImmediate(() => controller.abort(new Error('enough')));
  await expect(waiting).rejects.toThrow('enough');
});

test('does not look at all when the signal has aborted', async () => {
  let looks = 0;
  const waiting = waitFor(() => ++looks, { signal: AbortSignal.abort(new Error('never')) });
  await expect(waiting).rejects.toThrow('never');
  expect(looks).toBe(0);
});
