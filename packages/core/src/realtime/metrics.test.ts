import { expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import type { Instrument, Labels, Meter } from '../kernel/meter.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { TestOutlet, TestSocket } from '../testing/suites/realtime/wires.js';
import { createMemoryWorld, createRealtime } from './create.js';

/** A meter that a test can read. */
function readableMeter() {
  const series = new Map<string, () => number>();
  const nameOf = ({ name }: Instrument, labels: Labels = {}) => [name, ...Object.values(labels)].join(' ');
  const cell = (instrument: Instrument, labels?: Labels) => {
    let total = 0;
    series.set(nameOf(instrument, labels), () => total);
    const add = (amount = 1): void => {
      total += amount;
    };
    const set = (value: number): void => {
      total = value;
    };
    return { add, set, record: () => add() };
  };
  const meter: Meter = {
    counter: cell,
    gauge: cell,
    histogram: cell,
    observe: (instrument, read, labels) => {
      series.set(nameOf(instrument, labels), read);
      return { [Symbol.dispose]: () => void series.delete(nameOf(instrument, labels)) };
    },
  };
  return { meter, read: (name: string) => series.get(name)?.() };
}

it('counts connections, publishes, resets and how connections ended, by closed sets of labels', async () => {
  const clock = createFakeClock();
  const { meter, read } = readableMeter();
  const world = createMemoryWorld({ clock });
  const room = createRealtime({ drainMs: 10 }, { kernel: createKernel({ clock, meter }), world });
  await room.start();
  await room.openSse(new TestOutlet(), { channels: ['a', 'b'] });
  await room.openSse(new TestOutlet(), { channels: ['a'], lastEventId: 'nonsense' });
  const socket = new TestSocket();
  room.openSocket(socket, {});
  await room.publish('a', 1, { id: 'k' });
  await room.publish('a', 1, { id: 'k' });
  world.cut();
  await room.publish('a', 2).catch(() => undefined);
  world.restore();
  await clock.advance(0);
  expect(read('pando_realtime_connections sse')).toBe(2);
  expect(read('pando_realtime_connections ws')).toBe(1);
  expect(read('pando_realtime_channels')).toBe(2);
  expect(read('pando_realtime_published_total added')).toBe(1);
  expect(read('pando_realtime_published_total duplicate')).toBe(1);
  expect(read('pando_realtime_published_total failed')).toBe(1);
  expect(read('pando_realtime_publish_duration_seconds')).toBe(2);
  expect(read('pando_realtime_resets_total malformed')).toBe(1);
  socket.say('nonsense');
  const drained = room.drain();
  await clock.advance(50);
  await drained;
  expect(read('pando_realtime_connections_ended_total protocol')).toBe(1);
  expect(read('pando_realtime_connections_ended_total drain')).toBe(2);
  await room.close();
  expect(read('pando_realtime_connections sse')).toBeUndefined();
});

it('counts who is present because of this instance, and whom it took off the lists of dead ones', async () => {
  const clock = createFakeClock();
  const { meter, read } = readableMeter();
  const world = createMemoryWorld({ clock });
  const room = createRealtime({}, { kernel: createKernel({ clock, meter }), world });
  await room.start();
  world.attendances.lease({ life: 'dead', leaseMs: 10 });
  world.attendances.change('a', [{ kind: 'enter', row: 'dead.1', user: '"bob"', info: undefined }]);
  const outlet = new TestOutlet();
  await room.openSse(outlet, { channels: ['a', 'b'], presence: { id: 'ann' } });
  expect(read('pando_realtime_present_connections')).toBe(2);
  outlet.cut();
  await clock.advance(20_000);
  expect(read('pando_realtime_present_connections')).toBe(0);
  expect(read('pando_realtime_presence_swept_total')).toBe(1);
  await room.close();
});

it('tells how many clients are slow', async () => {
  const clock = createFakeClock();
  const { meter, read } = readableMeter();
  const room = createRealtime(
    {},
    { kernel: createKernel({ clock, meter }), world: createMemoryWorld({ clock }) },
  );
  await room.start();
  const outlets = [new TestOutlet(), new TestOutlet(), new TestOutlet()];
  for (const outlet of outlets) await room.openSse(outlet, { channels: ['a'] });
  await clock.advance(0);
  for (const outlet of outlets.slice(1)) outlet.hold();
  await room.publish('a', 'x'.repeat(20_000));
  await clock.advance(0);
  expect(read('pando_realtime_waiting_connections')).toBe(2);
  outlets[1]?.release();
  outlets[2]?.cut();
  expect(read('pando_realtime_waiting_connections')).toBe(0);
  await room.close();
});
