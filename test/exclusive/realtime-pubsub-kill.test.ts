import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { seed, testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';
import { RealtimeFleet } from '../integration/realtime/fleet.js';

const isFull = testSize() === 'full';
const KILLS = isFull ? 60 : 10;
const KILL_EVERY_MS = isFull ? 1_000 : 300;

it('subscribers cut from Redis again and again under load: no client loses, repeats or notices anything', async () => {
  let state = seed();
  const random = (end: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state % end;
  };
  await using redis = await startRedis();
  await using fleet = await RealtimeFleet.start({ redis: redis.url, browsers: 12, peers: 12 });
  await fleet.connectAll();
  await fleet.settled();
  const load = fleet.load();
  for (let kill = 0; kill < KILLS; kill++) {
    const killedAt = performance.now();
    await waitFor(async () => Number(await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')) > 0);
    // Some clients lose their connections at the same moment, and go elsewhere.
    for (let n = 0; n < 4; n++) {
      const client = fleet.clients[random(fleet.clients.length)];
      client?.release();
      client?.cut();
      await client?.connect(fleet.room(random(fleet.rooms.length)));
    }
    await waitFor(() => performance.now() - killedAt > KILL_EVERY_MS);
  }
  await load.stop();
  await fleet.caughtUp();
  console.log(`${fleet.ledger.size} published, ${fleet.messagesSeen} seen, ${KILLS} kills`);
  expect(fleet.violations({ isCaughtUp: true })).toEqual([]);
  expect(fleet.resets().flat()).toEqual([]);
  expect(fleet.areAllConnected).toBe(true);
  expect(fleet.ledger.size).toBeGreaterThan(500);
});
