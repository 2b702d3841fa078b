import { expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.js';
import { Deadlines } from './deadlines.js';
import { Flight } from './flight.js';

const never = () => new Promise<undefined>(() => undefined);
const flight = (key: string) => new Flight({ key, stamp: 0, isAside: false }, never);

it('ends each load in its own time, whichever of those around it are over', async () => {
  const clock = createFakeClock();
  const deadlines = new Deadlines(clock, 100);
  const [a, b, c] = [flight('a'), flight('b'), flight('c')];
  deadlines.add(a);
  await clock.advance(30);
  deadlines.add(b);
  await clock.advance(30);
  deadlines.add(c);
  deadlines.delete(a);
  const overdue = () => [a, b, c].filter(({ signal }) => signal.aborted).map(({ key }) => key);
  await clock.advance(69);
  expect(overdue()).toEqual([]);
  await clock.advance(1);
  expect(overdue()).toEqual(['b']);
  expect(b.signal.reason).toMatchObject({
    code: 'PANDO_CACHE_LOAD_TIMEOUT',
    message: expect.stringContaining('Loading "b" took longer than 100 ms'),
  });
  await clock.advance(30);
  expect(overdue()).toEqual(['b', 'c']);
});

it('leaves no timer behind when nothing is loading', async () => {
  const clock = createFakeClock();
  const timers: object[] = [];
  const counted = {
    ...clock,
    monotonic: () => clock.monotonic(),
    after: (delayMs: number, run: () => void) => {
      const timer = { [Symbol.dispose]: () => void timers.splice(timers.indexOf(timer), 1) };
      timers.push(timer);
      clock.after(delayMs, run);
      return timer;
    },
  };
  const deadlines = new Deadlines(counted, 100);
  const flights = ['a', 'b', 'c'].map(flight);
  for (const each of flights) deadlines.add(each);
  expect(timers).toHaveLength(1);
  for (const each of flights) deadlines.delete(each);
  expect(timers).toEqual([]);
});
