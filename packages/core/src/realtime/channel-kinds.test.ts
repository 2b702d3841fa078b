import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { TestOutlet } from '../testing/suites/realtime/wires.js';
import type { Realtime } from './api.js';
import { createMemoryWorld, createRealtime } from './create.js';
import type { MemoryWorldInit } from './drivers/memory.js';
import type { Message, Reset } from './message.js';
import type { RealtimeOptions } from './options.js';

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

/** Instances with channels of each kind: `live:…` without history, `price:…` of which the latest counts. */
function setUp(options: RealtimeOptions = {}, carry?: MemoryWorldInit['carry']) {
  const clock = createFakeClock();
  const world = createMemoryWorld({ clock, carry });
  const channels = { 'live:*': { history: false }, 'price:*': { latest: true } } as const;
  const instance = async (more: RealtimeOptions = {}): Promise<Realtime> => {
    const room = createRealtime(
      { channels, ...options, ...more },
      { kernel: createKernel({ clock }), world },
    );
    opened.push(room);
    await room.start();
    return room;
  };
  const listen = async (room: Realtime, channel: string, since?: string) => {
    const messages: Message[] = [];
    const resets: Reset[] = [];
    const onReset = (reset: Reset) => void resets.push(reset);
    const subscription = await room.subscribe(channel, (message) => void messages.push(message), {
      since,
      onReset,
    });
    const heard = () => messages.map(({ data }) => data);
    return { heard, resets, messages, subscription };
  };
  const stream = async (room: Realtime, channels: readonly string[], lastEventId?: string) => {
    const outlet = new TestOutlet({ highWaterBytes: 64 });
    await room.openSse(outlet, { channels, lastEventId });
    await clock.advance(0);
    const heard = () =>
      outlet.client.events.filter(({ type }) => type === 'message').map(({ data }) => JSON.parse(data));
    const lastId = () => outlet.client.events.at(-1)?.lastEventId;
    return { outlet, heard, lastId };
  };
  return { clock, world, instance, listen, stream, settle: () => clock.advance(0) };
}

describe('a channel without history', () => {
  it('reaches every listener of every instance, in order, without positions', async () => {
    const { instance, listen, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const [a, b] = [await listen(one, 'live:x'), await listen(two, 'live:x')];
    const outcomes = await Promise.all([1, 2, 3].map((n) => one.publish('live:x', n)));
    await two.publish('live:x', 4);
    await settle();
    expect(outcomes).toEqual(Array(3).fill({ position: '', duplicate: false }));
    for (const { heard, messages, subscription } of [a, b]) {
      expect(heard()).toEqual([1, 2, 3, 4]);
      expect(messages.map(({ position }) => position)).toEqual(['', '', '', '']);
      expect(subscription.position).toBe('');
    }
  });

  it('keeps nothing, so that what was missed is missed, without a reset', async () => {
    let drop = false;
    const { instance, listen, settle, world } = setUp(
      {},
      (deliver) => void (drop || queueMicrotask(deliver)),
    );
    const room = await instance();
    const { heard, resets } = await listen(room, 'live:x');
    await room.publish('live:x', 1);
    drop = true;
    await room.publish('live:x', 2);
    drop = false;
    await room.publish('live:x', 3);
    await settle();
    world.restart({ keepsData: false });
    world.cut();
    await expect(room.publish('live:x', 4)).rejects.toMatchObject({ code: 'PANDO_REALTIME_UNAVAILABLE' });
    world.restore();
    await room.publish('live:x', 5);
    await settle();
    expect([heard(), resets]).toEqual([[1, 3, 5], []]);
    const late = await listen(room, 'live:x', '1-0~m1');
    expect([late.heard(), late.resets]).toEqual([[], []]);
  });

  it('never publishes twice to make sure, and knows no ids', async () => {
    const { instance, listen, settle, world } = setUp({ onUnavailable: 'wait', publishWaitMs: 60_000 });
    const room = await instance();
    const { heard } = await listen(room, 'live:x');
    world.cut();
    await expect(room.publish('live:x', 1)).rejects.toMatchObject({ code: 'PANDO_REALTIME_UNAVAILABLE' });
    world.restore();
    for (let n = 0; n < 2; n++) await room.publish('live:x', n, { id: 'same', holdId: true });
    await settle();
    expect(heard()).toEqual([0, 1]);
  });

  it('gives event streams no position, and leaves those of other channels as they are', async () => {
    const { instance, stream, settle } = setUp();
    const room = await instance();
    const alone = await stream(room, ['live:x']);
    const mixed = await stream(room, ['live:x', 'kept']);
    await room.publish('kept', 'k');
    await room.publish('live:x', 'l');
    await settle();
    expect(alone.heard()).toEqual(['l']);
    expect(alone.lastId()).toBe('');
    expect(mixed.heard().map(({ d }: { d: unknown }) => d)).toEqual(['k', 'l']);
    await room.publish('kept', 'after');
    const again = await stream(room, ['live:x', 'kept'], mixed.lastId());
    expect(again.heard().map(({ d }: { d: unknown }) => d)).toEqual(['after']);
  });

  it('passes over a client that is too slow, and reaches it again when it has room', async () => {
    const { instance, stream, settle } = setUp({ sendBufferBytes: 64 });
    const room = await instance();
    const slow = await stream(room, ['live:x']);
    const fast = await stream(room, ['live:x']);
    slow.outlet.hold();
    for (let n = 0; n < 20; n++) {
      await room.publish('live:x', `event number ${n}`);
      await settle();
    }
    slow.outlet.release();
    await settle();
    await room.publish('live:x', 'last');
    await settle();
    expect(fast.heard()).toHaveLength(21);
    expect(slow.heard().length).toBeLessThan(20);
    expect(slow.heard().at(-1)).toBe('last');
  });

  it('may be kept by an instance of an earlier configuration: neither minds the other', async () => {
    const { instance, listen, settle } = setUp();
    const [now, before] = [await instance(), await instance({ channels: {} })];
    const [ephemeral, kept] = [await listen(now, 'live:x'), await listen(before, 'live:x')];
    await before.publish('live:x', 'kept');
    await now.publish('live:x', 'not kept');
    await before.publish('live:x', 'kept, too');
    await settle();
    expect(ephemeral.heard()).toEqual(['kept', 'not kept', 'kept, too']);
    expect([kept.heard(), kept.resets]).toEqual([['kept', 'kept, too'], []]);
  });
});

describe('a channel of which the latest counts', () => {
  it('gives whoever comes back the newest message alone, without a reset', async () => {
    const { instance, listen, settle } = setUp();
    const [one, two] = [await instance(), await instance()];
    const { position } = await one.publish('price:x', 0);
    for (let n = 1; n < 300; n++) await one.publish('price:x', n);
    await settle();
    for (const room of [one, two]) {
      const back = await listen(room, 'price:x', position);
      expect([back.heard(), back.resets]).toEqual([[299], []]);
      const again = await listen(room, 'price:x', back.subscription.position);
      expect([again.heard(), again.resets]).toEqual([[], []]);
    }
    const fresh = await listen(two, 'price:x');
    expect(fresh.heard()).toEqual([]);
  });

  it('gives the last of what one turn published', async () => {
    const { instance, listen, settle } = setUp();
    const room = await instance();
    const live = await listen(room, 'price:x');
    const [first] = await Promise.all([1, 2, 3].map((n) => room.publish('price:x', n)));
    await settle();
    expect(live.heard()).toEqual([3]);
    const back = await listen(room, 'price:x', first?.position);
    expect([back.heard(), back.resets]).toEqual([[3], []]);
    expect(back.subscription.position).toBe(live.subscription.position);
  });

  it('gives a slow client the newest message when it has room, and none in between', async () => {
    const { instance, stream, settle } = setUp({ sendBufferBytes: 64 });
    const room = await instance();
    const slow = await stream(room, ['price:x']);
    slow.outlet.hold();
    for (let n = 0; n < 300; n++) {
      await room.publish('price:x', `price number ${n}`);
      await settle();
    }
    slow.outlet.release();
    await settle();
    expect(slow.heard().length).toBeLessThan(20);
    expect(slow.heard().at(-1)).toBe('price number 299');
    expect(slow.outlet.client.events.map(({ type }) => type)).not.toContain('reset');
  });

  it('heals lost announcements by the newest message, without a reset', async () => {
    let drop = false;
    const { instance, listen, settle } = setUp({}, (deliver) => void (drop || queueMicrotask(deliver)));
    const room = await instance();
    const { heard, resets } = await listen(room, 'price:x');
    await room.publish('price:x', 0);
    await settle();
    drop = true;
    for (let n = 1; n < 300; n++) await room.publish('price:x', n);
    drop = false;
    await room.publish('price:x', 300);
    await settle();
    expect(resets).toEqual([]);
    expect(heard().at(-1)).toBe(300);
    expect(heard().length).toBeLessThan(10);
  });

  it('resets where the newest message is gone, too', async () => {
    const { instance, listen, clock } = setUp({ history: { ttlMs: 1_000 } });
    const [one, two] = [await instance(), await instance()];
    const { position } = await one.publish('price:x', 1);
    await one.publish('price:x', 2);
    await clock.advance(2_000);
    const { heard, resets } = await listen(two, 'price:x', position);
    expect(heard()).toEqual([]);
    expect(resets).toMatchObject([{ reason: 'trimmed' }]);
  });

  it('resets after a failover', async () => {
    const { instance, listen, settle, world } = setUp();
    const room = await instance();
    await room.publish('price:x', 1);
    const { resets } = await listen(room, 'price:x');
    world.cut();
    world.restart({ keepsData: false });
    world.restore();
    await settle();
    expect(resets).toMatchObject([{ reason: 'failover' }]);
  });
});

describe('a channel with durability', () => {
  it('goes on after a failover that kept its messages, and says where it did not', async () => {
    const durability = { replicas: 1, timeoutMs: 50 };
    const { instance, listen, settle, world } = setUp({ channels: { 'order:*': { durability } } });
    const room = await instance();
    const durable = await listen(room, 'order:x');
    const other = await listen(room, 'c');
    const failOver = async (keepsData: boolean) => {
      world.cut();
      world.restart({ keepsData });
      world.restore();
      await settle();
    };
    for (const channel of ['order:x', 'c']) await room.publish(channel, 1);
    await settle();
    await failOver(true);
    expect([durable.resets, other.resets.length]).toEqual([[], 1]);
    await room.publish('order:x', 2);
    await settle();
    expect(durable.heard()).toEqual([1, 2]);
    await failOver(false);
    expect(durable.resets).toMatchObject([{ reason: 'history-lost' }]);
  });
});
