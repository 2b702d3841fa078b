import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { fleetOn, type StartApp } from './app.js';
import { EventStream } from './clients.js';

const news = { path: '/events', plan: () => ({ channels: ['news'] }) };

/** What arrives on a stream, at what pace, and where it goes on. */
export function deliveryCases(start: StartApp, redis: string | undefined): void {
  describe('server-sent events on their way', () => {
    it('do not pile up for a client that does not read, and others do not wait for it', async () => {
      const sendBufferBytes = 65_536;
      await using app = await start({ streams: [news], kit: { realtime: { sendBufferBytes } } });
      const responses: ServerResponse[] = [];
      app.serving.server.on('request', (_request, response: ServerResponse) => responses.push(response));
      const frozen = connect(app.serving.port, '127.0.0.1');
      frozen.on('error', () => undefined);
      frozen.pause();
      frozen.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
      await waitFor(() => app.pando.realtime.connections === 1);
      using reader = await EventStream.open(`${app.url}/events`);
      await waitFor(() => reader.lastEventId !== undefined);

      const event = 'x'.repeat(32_768);
      const events = 800; // 25 MB: more than the sockets' buffers hold
      let mostQueued = 0;
      for (let n = 0; n < events; n++) {
        await app.pando.realtime.publish('news', event);
        mostQueued = Math.max(mostQueued, ...responses.map(({ writableLength }) => writableLength));
      }
      await waitFor(() => reader.messages.length === events, { timeoutMs: 20_000 });
      expect(mostQueued).toBeLessThan(2 * sendBufferBytes);
      frozen.destroy();
    });

    it('go on after a reconnect exactly where they had stopped', async () => {
      const mounted = { path: '/events', mount: '/api', plan: () => ({ channels: ['news'] }) };
      await using app = await start({ streams: [news, mounted] });
      let lastEventId: string | undefined;
      {
        using stream = await EventStream.open(`${app.url}/events`);
        await waitFor(() => stream.lastEventId !== undefined);
        await app.pando.realtime.publish('news', 1);
        await waitFor(() => stream.messages.length === 1);
        ({ lastEventId } = stream);
      }
      await app.pando.realtime.publish('news', 2);
      await app.pando.realtime.publish('news', 3);
      const id = lastEventId ?? '';
      using byHeader = await EventStream.open(`${app.url}/events`, { headers: { 'last-event-id': id } });
      using byQuery = await EventStream.open(`${app.url}/api/events?lastEventId=${encodeURIComponent(id)}`);
      await app.pando.realtime.publish('news', 4);
      for (const stream of [byHeader, byQuery]) {
        await waitFor(() => stream.messages.length >= 3);
        expect(stream.messages.map(({ data }) => data)).toEqual(['2', '3', '4']);
        expect(stream.events.some(({ event }) => event === 'reset')).toBe(false);
      }
    });

    it('say so when the history no longer reaches back', async () => {
      await using app = await start({ streams: [news] });
      using stream = await EventStream.open(`${app.url}/events`, {
        headers: { 'last-event-id': '1-1~gone' },
      });
      await waitFor(() => stream.events.some(({ event }) => event === 'reset'));
    });

    it('follow several channels, each event in its envelope', async () => {
      await using app = await start({ streams: [{ path: '/all', plan: () => ({ channels: ['a', 'b'] }) }] });
      using stream = await EventStream.open(`${app.url}/all`);
      await waitFor(() => stream.lastEventId !== undefined);
      await app.pando.realtime.publish('a', 1);
      await app.pando.realtime.publish('b', 2);
      await waitFor(() => stream.messages.length === 2);
      const [first, second] = stream.messages.map(({ data }) => JSON.parse(data) as Record<string, unknown>);
      expect([first, second]).toMatchObject([
        { c: 'a', d: 1 },
        { c: 'b', d: 2 },
      ]);
    });

    it('are kept alive by a comment while nothing happens', async () => {
      await using app = await start({ streams: [news], kit: { realtime: { heartbeatMs: 40 } } });
      using stream = await EventStream.open(`${app.url}/events`);
      await waitFor(() => stream.lastEventId !== undefined);
      const begin = stream.text;
      await waitFor(() => stream.text.length > begin.length, { message: 'a heartbeat' });
      expect(stream.text.slice(begin.length)).toMatch(/^:/);
      expect(stream.messages).toEqual([]);
    });

    it('notice when the client goes away', async () => {
      await using app = await start({ streams: [news] });
      const stream = await EventStream.open(`${app.url}/events`);
      await waitFor(() => app.pando.realtime.connections === 1);
      stream.close();
      await waitFor(() => app.pando.realtime.connections === 0);
    });

    if (redis !== undefined) {
      it('go on on another instance, each event once and in order', async () => {
        const kit = fleetOn(redis);
        await using one = await start({ kit, streams: [news] });
        await using other = await start({ kit, streams: [news] });
        let lastEventId: string;
        {
          using stream = await EventStream.open(`${one.url}/events`);
          await waitFor(() => stream.lastEventId !== undefined);
          await other.pando.realtime.publish('news', 1);
          await waitFor(() => stream.messages.length === 1);
          lastEventId = stream.lastEventId ?? '';
        }
        await one.pando.realtime.publish('news', 2);
        await other.pando.realtime.publish('news', 3);
        using stream = await EventStream.open(`${other.url}/events`, {
          headers: { 'last-event-id': lastEventId },
        });
        await one.pando.realtime.publish('news', 4);
        await waitFor(() => stream.messages.length >= 3);
        expect(stream.messages.map(({ data }) => data)).toEqual(['2', '3', '4']);
        expect(stream.events.some(({ event }) => event === 'reset')).toBe(false);
      });
    }
  });
}
