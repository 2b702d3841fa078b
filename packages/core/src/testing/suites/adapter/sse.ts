import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { type StartApp, tokenAt } from './app.js';
import { EventStream } from './clients.js';

const news = { path: '/events', plan: () => ({ channels: ['news'] }) };

/** Server-sent events. */
export function sseCases(start: StartApp): void {
  describe('server-sent events', () => {
    it('begin at once and arrive in order', async () => {
      await using app = await start({ streams: [news] });
      using stream = await EventStream.open(`${app.url}/events`);
      expect(stream.status).toBe(200);
      expect(stream.headers['content-type']).toBe('text/event-stream; charset=utf-8');
      expect(stream.headers['cache-control']).toBe('no-cache, no-transform');
      await waitFor(() => stream.text !== '', { message: 'the first bytes, before anything was published' });
      await waitFor(() => stream.lastEventId !== undefined);
      for (let n = 1; n <= 3; n++) await app.pando.realtime.publish('news', { n });
      await waitFor(() => stream.messages.length === 3);
      expect(stream.messages.map(({ data }) => data)).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
    });

    it('are not held back by middleware that compresses', async () => {
      await using app = await start({ streams: [news], compress: true });
      using stream = await EventStream.open(`${app.url}/events`, {
        headers: { 'accept-encoding': 'gzip, br' },
      });
      await waitFor(() => stream.text !== '', { message: 'the first bytes through compression' });
      await waitFor(() => stream.lastEventId !== undefined);
      await app.pando.realtime.publish('news', 'now');
      await waitFor(() => stream.messages.length === 1);
    });

    it('keep the headers that the application set before', async () => {
      const before = { 'access-control-allow-origin': 'https://other.example', 'x-frame-options': 'DENY' };
      await using app = await start({ streams: [news], before });
      using stream = await EventStream.open(`${app.url}/events`, {
        headers: { 'pando-token-app': app.pando.tokens.encode(tokenAt(3)) },
      });
      expect(stream.headers).toMatchObject(before);
      expect(stream.headers['x-pando-instance']).toBe(app.pando.instanceId);
      expect(stream.headers['pando-token-app']).toBeDefined();
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

    it('notice when the client goes away', async () => {
      await using app = await start({ streams: [news] });
      const stream = await EventStream.open(`${app.url}/events`);
      await waitFor(() => app.pando.realtime.connections === 1);
      stream.close();
      await waitFor(() => app.pando.realtime.connections === 0);
    });

    it('are counted, but neither timed nor in flight', async () => {
      await using app = await start({ streams: [news] });
      const stream = await EventStream.open(`${app.url}/events`);
      await waitFor(() => stream.text !== '');
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 0);
      stream.close();
      const labels = { method: 'GET', route: '/events' };
      await waitFor(
        async () => (await app.metric('pando_http_requests_total', { ...labels, status: '200' })) === 1,
      );
      expect((await app.metric('pando_http_request_duration_seconds_count', labels)) ?? 0).toBe(0);
      expect(await app.metric('pando_http_requests_in_flight')).toBe(0);
    });

    it('answer HEAD with their head alone', async () => {
      await using app = await start({ streams: [news] });
      const response = await app.get('/events', { method: 'HEAD' });
      expect([response.status, await response.text()]).toEqual([200, '']);
      expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      expect(app.pando.realtime.connections).toBe(0);
    });

    it.each([204, 401, 403, 404] as const)(
      'are refused with %i where the application says so',
      async (status) => {
        await using app = await start({
          streams: [{ path: '/events', plan: () => status }],
          onError: (error) => ({ status: (error as { status: number }).status, body: 'own' }),
        });
        const response = await app.get('/events');
        expect([response.status, await response.text()]).toEqual([status, status === 204 ? '' : 'own']);
      },
    );

    it('fail like any handler until their first bytes', async () => {
      const plan = ({ url }: { readonly url: string }) => {
        if (url.includes('throw')) throw new Error('no plan');
        return { channels: ['not a channel'] };
      };
      await using app = await start({
        streams: [{ path: '/events', plan }],
        onError: (error) => ({ status: 418, body: (error as { code?: string }).code ?? 'plain' }),
      });
      const thrown = await app.get('/events?throw');
      expect([thrown.status, await thrown.text()]).toEqual([418, 'plain']);
      const invalid = await app.get('/events');
      expect([invalid.status, await invalid.text()]).toEqual([
        418,
        expect.stringMatching(/^PANDO_REALTIME_/),
      ]);
    });

    it('do not pile up for a client that does not read, and others do not wait for it', async () => {
      await using app = await start({ streams: [news] });
      const peers = new Set<Socket>();
      app.serving.server.on('connection', (socket: Socket) => peers.add(socket));
      const frozen = connect(app.serving.port, '127.0.0.1');
      frozen.on('error', () => undefined);
      frozen.pause();
      frozen.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
      await waitFor(() => app.pando.realtime.connections === 1);
      using reader = await EventStream.open(`${app.url}/events`);
      await waitFor(() => reader.lastEventId !== undefined);

      const event = 'x'.repeat(32_768);
      const events = 800; // 25 MB: more than the sockets' buffers hold
      for (let n = 0; n < events; n++) await app.pando.realtime.publish('news', event);
      await waitFor(() => reader.messages.length === events, { timeoutMs: 20_000 });
      const queued = Math.max(...[...peers].map((socket) => socket.writableLength));
      expect(queued).toBeLessThan(1_048_576);
      frozen.destroy();
    });
  });
}
