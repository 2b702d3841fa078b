import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.js';
import { presenceStoreSuite } from '../../testing/suites/presence.js';
import { brokerSuite, brokerSuiteRetention as retention } from '../../testing/suites/realtime.js';
import { packMessage } from '../packing.js';
import type { Broker } from '../ports.js';
import { originId } from '../position.js';
import { createMemoryWorld, MemoryBroker, type MemoryWorld } from './memory.js';

const silent = { onRestored: () => undefined, onBlind: () => undefined };

async function join(world: MemoryWorld, self: string): Promise<Broker> {
  const broker = new MemoryBroker(world, retention, self);
  await broker.start(silent);
  return broker;
}

brokerSuite('the memory broker', async () => {
  const world = createMemoryWorld();
  let instances = 0;
  return { broker: () => join(world, `node-${++instances}`) };
});

presenceStoreSuite('the presence of the memory broker', async () => {
  const world = createMemoryWorld();
  let instances = 0;
  return { broker: () => join(world, `node-${++instances}`) };
});

describe('the memory broker as time passes', () => {
  const message = (id?: string) => ({ id, packed: packMessage('', '1') });

  it('forgets histories, then heads, as Redis would', async () => {
    const clock = createFakeClock();
    const broker = await join(createMemoryWorld({ clock }), 'a');
    await broker.append('c', [message()]);
    const heads = await broker.heads(['c']);
    await clock.advance(retention.historyTtlMs);
    expect(await broker.read('c', { from: originId, limit: 9 })).toMatchObject({
      head: heads[0]?.id,
      entries: [],
    });
    await clock.advance(retention.headTtlMs - retention.historyTtlMs - 1);
    expect(await broker.heads(['c'])).toEqual(heads); // asked again just before: kept
    await clock.advance(retention.headTtlMs);
    expect(await broker.heads(['c'])).toMatchObject([{ id: originId }]);
  });

  it('remembers idempotency keys at least as long as it says, and not for ever', async () => {
    const clock = createFakeClock();
    const broker = await join(createMemoryWorld({ clock }), 'a');
    const isNew = async () => (await broker.append('c', [message('k')]))[0]?.duplicate === false;
    expect(await isNew()).toBe(true);
    await clock.advance(retention.idempotencyMs - 1);
    expect(await isNew()).toBe(false);
    await clock.advance(2 * retention.idempotencyMs);
    expect(await isNew()).toBe(true);
  });

  it('remembers held keys until they are released, then as long as others', async () => {
    const clock = createFakeClock();
    const broker = await join(createMemoryWorld({ clock }), 'a');
    const held = { ...message('k'), isHeld: true };
    const isNew = async () => (await broker.append('c', [held]))[0]?.duplicate === false;
    const [first] = await broker.append('c', [held]);
    await clock.advance(4 * retention.idempotencyMs);
    expect(await broker.append('c', [held])).toEqual([{ ...first, duplicate: true }]);
    await broker.release([{ channel: 'other', id: 'k' }]);
    expect(await isNew()).toBe(false);
    await broker.release([{ channel: 'c', id: 'k' }]);
    expect(await isNew()).toBe(true);
    await broker.release([{ channel: 'c', id: 'k' }]);
    expect(await isNew()).toBe(false); // somebody's late repetition
  });

  it('lets ids grow when the wall clock goes back', async () => {
    const clock = createFakeClock();
    const broker = await join(createMemoryWorld({ clock }), 'a');
    const [first] = await broker.append('c', [message()]);
    clock.jump(-5_000);
    const [second] = await broker.append('c', [message()]);
    expect(second?.id).toBe(`${first?.id.split('-')[0]}-1`);
  });
});
