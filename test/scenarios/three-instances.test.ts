import { waitFor } from '@pando/core/testing';
import { EventSource } from 'eventsource';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { testDatabase, testRedis } from '../infra/context.js';
import type { InstanceGroup } from '../infra/instances.js';
import { FleetClient, startFleet } from './fleet.js';

const redis = testRedis();
let fleet: InstanceGroup;
let a: string;
let b: string;
let c: string;

beforeAll(async () => {
  fleet = await startFleet({ kit: redis.name, redisUrl: redis.url, database: await testDatabase() });
  [a, b, c] = fleet.urls as [string, string, string];
});
afterAll(() => fleet?.close());

const client = () => new FleetClient(redis.name);

describe('three instances on one Redis and one Postgres', () => {
  it('deliver an event published through one to an SSE client and a WebSocket client of the others', async () => {
    const overSse: unknown[] = [];
    const overWs: { t?: string; d?: unknown }[] = [];
    const source = new EventSource(`${a}/channels/news`);
    source.onmessage = ({ data }) => overSse.push(JSON.parse(data));
    const socket = new WebSocket(`${b.replace('http', 'ws')}/ws`, 'pando.v1');
    socket.on('message', (text) => overWs.push(JSON.parse(String(text))));
    try {
      await waitFor(() => source.readyState === EventSource.OPEN && socket.readyState === WebSocket.OPEN, {
        message: 'both clients connected',
      });
      socket.send(JSON.stringify({ t: 'sub', id: 1, c: ['news'] }));
      await waitFor(() => overWs.some(({ t }) => t === 'sub'), { message: 'the subscription acknowledged' });

      await client().publish(`${c}/channels/news`, { n: 1 });
      await client().publish(`${c}/channels/news`, { n: 2 });
      const messages = () => overWs.filter(({ t }) => t === 'm').map(({ d }) => d);
      await waitFor(() => overSse.length >= 2 && messages().length >= 2, {
        message: 'both events at both clients',
      });
      expect(overSse).toEqual([{ n: 1 }, { n: 2 }]);
      expect(messages()).toEqual([{ n: 1 }, { n: 2 }]);
    } finally {
      source.close();
      socket.terminate();
    }
  });

  it('stop serving a cached value everywhere once one of them has invalidated it, long before its TTL', async () => {
    const reader = client();
    await client().put(`${a}/values/shared`, 'old');
    for (const url of [a, b, c])
      expect(await reader.get(`${url}/values/shared`)).toMatchObject({ value: 'old' });
    const cached = await reader.get(`${b}/values/shared`);
    expect(await reader.get(`${b}/values/shared`)).toEqual(cached); // one load served them all

    await client().put(`${c}/values/shared`, 'new');
    // Readers without any token: not even they see the old value for long.
    const startedAt = performance.now();
    for (const url of [a, b, c]) {
      await waitFor(async () => (await client().get(`${url}/values/shared`)).value === 'new', {
        timeoutMs: 1_000,
        message: `${url} serves the new value`,
      });
    }
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('show a client its own writes at once, wherever it reads', async () => {
    const writer = client();
    for (let n = 1; n <= 20; n++) {
      const [to, from, other] = [
        [a, b, c],
        [b, c, a],
        [c, a, b],
      ][n % 3] as [string, string, string];
      await writer.put(`${to}/values/own`, `v${n}`);
      expect(await writer.get(`${from}/values/own`)).toMatchObject({ value: `v${n}` });
      expect(await writer.get(`${other}/values/own`)).toMatchObject({ value: `v${n}` });
    }
  });

  it('show plain browsers their own writes by the cookie alone', async () => {
    const response = await fetch(`${a}/values/cookie`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ value: 'mine' }),
    });
    const cookie = response.headers
      .getSetCookie()
      .map((line) => line.split(';', 1)[0])
      .join('; ');
    expect(cookie).toMatch(new RegExp(`^pando\\.${redis.name}\\.\\w+=`));
    const read = await fetch(`${b}/values/cookie`, { headers: { cookie } });
    expect(await read.json()).toMatchObject({ value: 'mine' });
    expect(read.headers.getSetCookie()).toEqual([]); // only responses that wrote set one
  });

  it('refetch nothing older than the event that told them to', async () => {
    const refetches: Promise<{ readonly told: number; readonly seen: number }>[] = [];
    const refetch = async (told: string, token: string) => {
      // The event's token goes back with the refetch, to an instance that did not deliver it.
      const headers = { [`pando-token-${redis.name}`]: token };
      const response = await fetch(`${c}/values/told`, { headers });
      const { value } = (await response.json()) as { value: string };
      return { told: Number(told), seen: Number(value) };
    };
    const socket = new WebSocket(`${b.replace('http', 'ws')}/ws`, 'pando.v1');
    socket.on('message', (text) => {
      const { t, d, token } = JSON.parse(String(text));
      if (t === 'm' && d.key === 'told') refetches.push(refetch(d.value, token));
    });
    try {
      await waitFor(() => socket.readyState === WebSocket.OPEN, { message: 'connected' });
      const subscribed = new Promise((resolve) => socket.once('message', resolve));
      socket.send(JSON.stringify({ t: 'sub', id: 1, c: ['values'] }));
      await subscribed;
      const writer = client();
      for (let n = 1; n <= 10; n++) {
        await writer.put(`${a}/values/told`, String(n));
        await waitFor(() => refetches.length === n, { message: `event ${n}` });
      }
      for (const { told, seen } of await Promise.all(refetches)) expect(seen).toBeGreaterThanOrEqual(told);
    } finally {
      socket.terminate();
    }
  });

  it('count together: one limit holds for all of them', async () => {
    const answers = [];
    for (const url of [a, b, c, a, b, c]) answers.push((await fetch(`${url}/limited`)).status);
    expect(answers).toEqual([204, 204, 204, 429, 429, 429]);
  });

  it('say who answered', async () => {
    const names = await Promise.all(
      [a, b, c].map(async (url) => (await fetch(`${url}/who`)).headers.get('x-pando-instance')),
    );
    expect(names).toEqual(['instance-1', 'instance-2', 'instance-3']);
  });
});
