import { createPando, type Pando } from '@pando/core';
import { connect } from '@pando/core/client';
import type { Serving, WsRoute } from '@pando/core/http';
import { waitFor } from '@pando/core/testing';
import { pandoExpress } from '@pando/express-adapter';
import { pandoFastify } from '@pando/fastify-adapter';
import express from 'express';
import { fastify } from 'fastify';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

const channel = 'news';
const plan = () => ({ channels: [channel], format: 'raw' as const });
const ws: WsRoute = { path: '/ws', authorize: () => true, presence: () => ({ id: 'ann' }) };
const address = { port: 0, host: '127.0.0.1' };

/** An application with a stream, which is raw for others, and sockets. */
const frameworks = {
  async express(pando: Pando): Promise<Serving> {
    const { context, sse, listen } = pandoExpress(pando);
    const app = express().use(context());
    app.get('/live', sse(plan));
    return listen(app, { ...address, ws });
  },
  async fastify(pando: Pando): Promise<Serving> {
    const app = fastify();
    await app.register(pandoFastify, { pando, ws });
    app.get('/live', app.pando.sse(plan));
    return app.pando.listen(address);
  },
};

describe.each(Object.entries(frameworks))('the client, through %s', (_name, serve) => {
  const start = async () => {
    const pando = await createPando({ lifecycle: { signals: false, readinessDelayMs: 0 } });
    const { port } = await serve(pando);
    return {
      pando,
      url: `http://127.0.0.1:${port}`,
      [Symbol.asyncDispose]: () => pando.close(),
    };
  };

  it.each(['sse', 'ws'] as const)('begins over %s behind the position it is given', async (transport) => {
    await using app = await start();
    const { realtime } = app.pando;
    const { position: since } = await realtime.publish(channel, 1);
    await realtime.publish(channel, 2);
    using live = connect(`${app.url}/${transport === 'sse' ? 'live' : 'ws'}`, { transport, WebSocket });
    const heard: unknown[] = [];
    live.subscribe(channel, {
      since,
      onMessage: ({ data, channel: from }) => heard.push([from, data]),
      onReset: ({ reason }) => heard.push(reason),
    });
    await waitFor(() => heard.length === 1);
    await realtime.publish(channel, 3);
    await waitFor(() => heard.length === 2);
    expect(heard).toEqual([
      [channel, 2],
      [channel, 3],
    ]);
  });

  it('publishes over a WebSocket, and sees who is there', async () => {
    await using app = await start();
    using live = connect(`${app.url}/ws`, { transport: 'ws', WebSocket });
    const heard: unknown[] = [];
    live.subscribe(channel, { presence: true, onMessage: ({ data }) => heard.push(data) });
    await waitFor(async () => (await live.presence(channel)).users === 1);
    expect(await live.presence(channel)).toEqual({
      channel,
      position: expect.any(String),
      users: 1,
      connections: 1,
      members: [{ id: 'ann', connections: 1 }],
      truncated: false,
    });
    const { position, duplicate } = await live.publish(channel, 1, { key: 'once' });
    expect(duplicate).toBe(false);
    expect(await live.publish(channel, 1, { key: 'once' })).toEqual({ position, duplicate: true });
    await waitFor(() => heard.length === 1);
    await live.publish(channel, 2);
    await waitFor(() => heard.length === 2);
    expect(heard).toEqual([1, 2]);
  });
});
