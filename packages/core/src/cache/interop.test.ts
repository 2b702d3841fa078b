import { describe, expect, it } from 'vitest';
import { CacheFleet } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { MessageBus } from './ports.js';

/** Redis' Pub/Sub, inside the process: in the order of publication, to whoever listens. */
class MemoryBus implements MessageBus {
  readonly claims = 'claims';
  readonly rollCalls = 'roll-calls';
  readonly sent: [channel: string, payload: string][] = [];
  readonly #listeners = new Map<string, Set<(payload: Buffer) => void>>();

  async subscribe(channel: string, listener: (payload: Buffer) => void) {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(listener));
    return { close: async () => void listeners.delete(listener) };
  }

  async publish(channel: string, payload: string): Promise<void> {
    this.sent.push([channel, payload]);
    for (const listener of this.#listeners.get(channel) ?? []) listener(Buffer.from(payload));
  }

  /** What another service says. */
  say(message: unknown): Promise<void> {
    return this.publish(
      'cache_invalidation',
      typeof message === 'string' ? message : JSON.stringify(message),
    );
  }
}

async function setup({ interop = {}, instances = 3 }: { interop?: object; instances?: number } = {}) {
  const clock = createFakeClock();
  const bus = new MemoryBus();
  let draws = 0;
  const fleet = new CacheFleet({
    ...{ clock, bus, options: { interop, ttlMs: 3_600_000 } },
    random: () => (draws++ % instances) / instances, // they begin one after the other
  });
  const all = await Promise.all(Array.from({ length: instances }, () => fleet.instance()));
  const invalidations = () => fleet.world.clock?.sequence ?? 0;
  const messages = () => bus.sent.filter(([channel]) => channel === 'cache_invalidation');
  const { registers } = fleet;
  /** All instances have a copy of the value; then it changes, and nobody in the fleet knows. */
  const change = async (key: string, value: number) => {
    for (const { read } of all) await read(key);
    registers.commit(key, value);
  };
  return { clock, bus, fleet, all, registers, invalidations, messages, change };
}

const post7 = { resource_type: 'post', resource_id: 7 };

describe('what another service says', () => {
  it('holds on every instance at once, and everywhere after one invalidation', async () => {
    const { clock, bus, all, invalidations, change } = await setup();
    await change('post:7', 1);
    await bus.say(post7);
    for (const { read } of all) expect((await read('post:7')).value).toBe(1);
    await clock.advance(100);
    expect(invalidations()).toBe(1);
    for (const { read } of all) expect((await read('post:7')).value).toBe(1);
    await clock.advance(60_000);
    expect(invalidations()).toBe(1);
  });

  it('is loaded once by all together afterwards', async () => {
    const { clock, bus, all, change } = await setup();
    await change('post:7', 1);
    await bus.say(post7);
    await clock.advance(100);
    let loads = 0;
    for (const { cache } of all) await cache.getOrLoad('post:7', () => ++loads);
    expect(loads).toBe(1);
  });

  it('makes loads read what had been committed before it, on replicas that lag', async () => {
    const { clock, bus, all, registers, change } = await setup();
    registers.replicates = false;
    await change('post:7', 1);
    await bus.say(post7);
    await clock.advance(100);
    for (const { read } of all) expect((await read('post:7')).value).toBe(1);
  });

  it('is carried out although the instance that has begun with it goes away', async () => {
    const { clock, bus, all, invalidations, change } = await setup();
    await change('post:7', 1);
    await bus.say(post7);
    await bus.publish('claims', 'claim other ["post:7"]');
    await clock.advance(1_000);
    expect(invalidations()).toBe(0);
    await clock.advance(5_000);
    expect(invalidations()).toBe(1);
    for (const { read } of all) expect((await read('post:7')).value).toBe(1);
  });

  it('counts anew when it is said again while an invalidation is on its way', async () => {
    const { clock, bus, all, registers, invalidations, change } = await setup();
    registers.replicates = false;
    await change('post:7', 1);
    await bus.say(post7);
    await bus.publish('claims', 'claim other ["post:7"]');
    registers.commit('post:7', 2);
    await bus.say(post7);
    await bus.publish('claims', 'done other'); // with what was committed by the time of its claim
    await clock.advance(100);
    expect(invalidations()).toBe(1);
    for (const { read } of all) expect((await read('post:7')).value).toBe(2);
  });

  it('does not hold where only sending was asked for', async () => {
    const { clock, bus, invalidations } = await setup({ interop: { accept: false } });
    await bus.say(post7);
    await clock.advance(5_000);
    expect(invalidations()).toBe(0);
  });

  it('is ignored when it makes no sense', async () => {
    const { clock, bus, all, invalidations } = await setup({
      interop: {
        tagsOf: (message: { tags: string[] }) => message.tags.map((tag) => tag.trim()),
      },
    });
    for (const message of ['', '{"resource_type":', { tags: 7 }, { tags: [] }, { tags: [''] }])
      await bus.say(message);
    await clock.advance(5_000);
    expect(invalidations()).toBe(0);
    await bus.say({ tags: [' posts '] });
    await clock.advance(100);
    expect(invalidations()).toBe(1);
    expect(await all[0]?.cache.getOrLoad('k', () => 1, { tags: ['posts'] })).toBe(1);
  });
});

describe('what the fleet invalidates', () => {
  it('is told to others, for tags that name a resource, with the name of who says it', async () => {
    const { all, messages } = await setup();
    await all[0]?.cache.invalidate(['post:7', 'posts']);
    expect(messages()).toEqual([
      ['cache_invalidation', '{"resource_type":"post","resource_id":"7","origin":"fleet"}'],
    ]);
  });

  it('is not invalidated again when it comes back, and what others say is not repeated', async () => {
    const { clock, bus, all, messages, invalidations } = await setup();
    await all[0]?.cache.invalidate(['post:7']);
    await clock.advance(5_000);
    expect([invalidations(), messages().length]).toEqual([1, 1]);
    await bus.say({ resource_type: 'post', resource_id: 8 });
    await clock.advance(5_000);
    expect([invalidations(), messages().length]).toEqual([2, 2]);
  });

  it('is told as the app wants it, or not at all', async () => {
    const messageOf = (tag: string) => (tag.startsWith('post:') ? { key: tag } : undefined);
    const { all, messages } = await setup({ interop: { messageOf } });
    await all[0]?.cache.invalidate(['post:7', 'user:1']);
    expect(messages().map(([, payload]) => payload)).toEqual(['{"key":"post:7","origin":"fleet"}']);
    const silent = await setup({ interop: { send: false } });
    await silent.all[0]?.cache.invalidate(['post:7']);
    expect(silent.messages()).toEqual([]);
  });

  it('is told when it has been carried out, not before', async () => {
    const { clock, fleet, all, messages } = await setup();
    const [level] = fleet.world.levels;
    level?.setUp(false);
    await all[0]?.cache.invalidate(['post:7']);
    expect(messages()).toEqual([]);
    level?.setUp(true);
    await clock.advance(1_000);
    expect(messages().length).toBe(1);
  });
});
