import { setTimeout as delay } from 'node:timers/promises';
import { createTcpProxy, type TcpProxy, waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { Site } from '../followers/site.js';
import { startTcpBalancer } from '../infra/balancers.js';
import { seed, testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const isFull = testSize() === 'full';

it('clients that come, leave and subscribe anew all the time, while it takes 300 ms to find out who they are, and all publish', async () => {
  let state = seed();
  const random = (end: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % end;
  };
  await using redis = await startRedis();
  await using site = await Site.start({
    redis: () => redis.url,
    authMs: 300,
    // Who is cut before the first message makes no way, and on a busy machine that goes on for a while.
    realtime: { history: { size: 50_000 } },
  });
  const proxies: TcpProxy[] = [];
  for (const { port } of site.instances) {
    const proxy = await createTcpProxy({ target: { host: '127.0.0.1', port } });
    onTestFinished(() => proxy.close());
    proxies.push(proxy);
  }
  await using balancer = await startTcpBalancer({ ports: proxies.map(({ port }) => port) });
  const sockets = Array.from({ length: isFull ? 60 : 12 }, (_, n) =>
    site.followSocket(site.channels.slice(n % 3), [balancer.url]),
  );
  for (let n = 0; n < sockets.length; n++)
    if (n % 2 === 0)
      site.followStream(n % 4 === 0 ? 'eventsource' : 'undici', site.channels.slice(n % 3), balancer.url);
    else site.followLive(n % 4 === 1 ? 'sse' : 'ws', site.channels.slice(n % 3), balancer.url);
  await site.settled();
  const load = site.load({ burst: 1, everyMs: 10 });
  for (let round = 0; round < (isFull ? 300 : 20); round++) {
    proxies[random(proxies.length)]?.reset();
    for (const socket of sockets) {
      const what = random(4);
      if (what === 0) socket.cut();
      else if (what === 1) socket.again();
    }
    await delay(200 + random(200));
  }
  await load.stop();
  await site.caughtUp();
  expect(site.verifier.resets().flat()).toEqual([]);
  expect(site.ears.some(({ hasGivenUp }) => hasGivenUp)).toBe(false);
  const connections = site.ears.reduce((sum, ear) => sum + ear.connections, 0);
  console.log(
    `${site.verifier.confirmed} published, ${site.verifier.messages} seen over ${connections} connections`,
  );
});

it('who was away for so long that the history no longer reaches back is told so, exactly once', async () => {
  // By itself Redis forgets a hundred entries at a time.
  await using redis = await startRedis({ args: ['--stream-node-max-entries', '10'] });
  await using site = await Site.start({
    redis: () => redis.url,
    instances: 2,
    realtime: { history: { size: 50 } },
  });
  await using road = await createTcpProxy({
    target: { host: '127.0.0.1', port: Number(new URL(site.url).port) },
  });
  const url = road.url('http');
  const travellers = [...site.followEveryWay(undefined, url), ...site.followEveryWay(['room:1'], url)];
  site.followEveryWay();
  await site.settled();
  await road.refuse();
  road.reset();
  await waitFor(() => travellers.every(({ ear }) => ear.endedAt.length > 0));
  // More than the instances themselves remember.
  for (let n = 0; n < 160; n++) await Promise.all(site.channels.map((channel) => site.publish(n, channel)));
  await road.heal();
  await site.caughtUp();
  for (const { ear } of site.followers) {
    const isTraveller = travellers.some((traveller) => traveller.ear === ear);
    for (const reasons of ear.listener.resets.values())
      expect(reasons).toEqual(isTraveller ? ['trimmed'] : []);
  }
});

it('the clock of Redis is set back by seconds: what is published goes on in its order', async () => {
  const BACK_MS = isFull ? 5_000 : 1_500;
  await using redis = await startRedis();
  await using site = await Site.start({ redis: () => redis.url, instances: 2 });
  await site.publishEverywhere();
  // What is left then of a channel whose log has expired: an id of the time before.
  for (const channel of site.channels) {
    const keys = (await redis.command('keys', `*realtime*:${channel}`)) as string[];
    const isHead = (key: string) => key.includes(':head:');
    const head = keys.find(isHead) as string;
    await redis.command('del', ...keys.filter((key) => !isHead(key)));
    await redis.command('set', head, `${Date.now() + BACK_MS}-3`, 'px', 60_000);
  }
  const until = Date.now() + BACK_MS;
  for (let n = 0; n < 3; n++) site.followEveryWay(site.channels.slice(n));
  const load = site.load();
  await waitFor(() => Date.now() > until + 500);
  await load.stop();
  await site.caughtUp();
  expect(site.verifier.resets().flat()).toEqual([]);
});
