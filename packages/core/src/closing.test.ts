import { expect, it } from 'vitest';
import { closeInOrder } from './closing.js';
import { createFakeClock } from './testing/fake-clock.js';

function stage() {
  const clock = createFakeClock();
  const log: string[] = [];
  const room = (name: string, takesMs: number) => ({
    name,
    async close(): Promise<void> {
      log.push(`${name} begins`);
      await new Promise<void>((resolve) => {
        if (takesMs !== Number.POSITIVE_INFINITY) clock.after(takesMs, resolve);
      });
      log.push(`${name} ends`);
    },
  });
  return { clock, log, room };
}

it('rooms close one after the other', async () => {
  const { clock, log, room } = stage();
  const closed = closeInOrder([room('db', 10), room('cache', 10)], clock);
  await clock.advance(20);
  await closed;
  expect(log).toEqual(['db begins', 'db ends', 'cache begins', 'cache ends']);
  expect(clock.pending).toBe(0);
});

it('when the time is up the rest are closed at once, and those that hang are named', async () => {
  const { clock, log, room } = stage();
  const time = new AbortController();
  const closed = closeInOrder(
    [room('jobs', 10), room('db', Number.POSITIVE_INFINITY), room('cache', 50), room('redis', 50)],
    clock,
    { signal: time.signal },
  );
  const outcome = expect(closed).rejects.toMatchObject({
    code: 'PANDO_LIFECYCLE_ROOM_HUNG',
    message: expect.stringContaining(': db. Look'),
  });
  await clock.advance(100);
  expect(log).toEqual(['jobs begins', 'jobs ends', 'db begins']);
  time.abort();
  await clock.advance(0);
  expect(log.slice(3)).toEqual(['cache begins', 'redis begins']);
  await clock.advance(150);
  await outcome;
  expect(log.slice(5)).toEqual(['cache ends', 'redis ends']);
});

it('nothing is wrong when all come to an end in the last moment', async () => {
  const { clock, room } = stage();
  const time = new AbortController();
  const closed = closeInOrder([room('db', 110), room('redis', 20)], clock, { signal: time.signal });
  await clock.advance(100);
  time.abort();
  await clock.advance(20);
  await closed;
  expect(clock.pending).toBe(0);
});
