import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { connect, type SubscribeOptions } from '../../../client/index.js';
import { waitFor } from '../../wait-for.js';
import type { StartApp } from './app.js';

/** The client of `@pando/core/client`, through the framework. */
export function ownClientCases(start: StartApp): void {
  describe('the client', () => {
    const channel = 'news';
    const plan = () => ({ channels: [channel], format: 'raw' as const });

    it.each(['sse', 'ws'] as const)('begins over %s behind the position it is given', async (transport) => {
      await using app = await start({
        streams: [{ path: '/live', plan }],
        ws: { path: '/ws', authorize: () => true },
      });
      const url = transport === 'sse' ? `${app.url}/live` : `${app.url}/ws`;
      const { position: since } = await app.pando.realtime.publish(channel, 1);
      await app.pando.realtime.publish(channel, 2);
      using live = connect(url, { transport, WebSocket });
      const heard: unknown[] = [];
      const options: SubscribeOptions = {
        since,
        onMessage: ({ data, channel: from }) => heard.push([from, data]),
        onReset: ({ reason }) => heard.push(reason),
      };
      live.subscribe(channel, options);
      await waitFor(() => heard.length === 1);
      await app.pando.realtime.publish(channel, 3);
      await waitFor(() => heard.length === 2);
      expect(heard).toEqual([
        [channel, 2],
        [channel, 3],
      ]);
    });

    it('publishes over a WebSocket, and sees who is there', async () => {
      const presence = () => ({ id: 'ann' });
      await using app = await start({ ws: { path: '/ws', authorize: () => true, presence } });
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
}
