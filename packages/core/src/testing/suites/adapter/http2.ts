import { once } from 'node:events';
import { constants, type IncomingHttpHeaders } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { createGate, get, type StartApp, tokenAt } from './app.js';
import { counted } from './cached-route.js';
import { Http2Client } from './clients.js';

const http2 = true;
const news = { path: '/events', plan: () => ({ channels: ['news'] }) };

/** The same over HTTP/2. */
export function http2Cases(start: StartApp): void {
  describe('HTTP/2', () => {
    it('serves requests with context, tokens, limits, health and counts', async () => {
      const kit = { limits: { policies: { one: '1/min' } } };
      const write = get(
        '/items/:id',
        () => {
          app.pando.kernel.contexts.current().wrote(tokenAt(1));
          return { status: 201, body: 'made' };
        },
        { limit: { policy: 'one' } },
      );
      await using app = await start({ kit, routes: [write], http2 });
      using client = new Http2Client(app.url);
      const first = await client.get('/items/7');
      expect([first.status, first.body]).toEqual([201, 'made']);
      expect(first.headers).toMatchObject({
        'x-pando-instance': app.pando.instanceId,
        'pando-token-app': expect.any(String),
        'set-cookie': [expect.stringMatching(/^pando\.app\./)],
      });
      expect((await client.get('/items/8')).status).toBe(429);
      expect((await client.get('/health/ready')).status).toBe(200);
      const counted = { method: 'GET', route: '/items/:id', status: '429' };
      await waitFor(async () => (await app.metric('pando_http_requests_total', counted)) === 1);
    });

    it('streams at once, with the headers that were set before, and notices when the client goes away', async () => {
      await using app = await start({ streams: [news], before: { 'x-mine': 'kept' }, http2 });
      using client = new Http2Client(app.url);
      const stream = client.request('/events');
      const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
      expect(head).toMatchObject({ 'x-mine': 'kept', 'content-type': 'text/event-stream; charset=utf-8' });
      let text = '';
      stream.on('data', (chunk: string) => {
        text += chunk;
      });
      await waitFor(() => text.includes('id: '), { message: 'the first bytes' });
      await app.pando.realtime.publish('news', 'now');
      await waitFor(() => text.includes('data: "now"'));
      stream.close(constants.NGHTTP2_CANCEL);
      await waitFor(() => app.pando.realtime.connections === 0);
    });

    it('aborts the signal of a request whose client gave it up, and goes on with the others', async () => {
      const abandoned = createGate();
      await using app = await start({
        http2,
        routes: [
          get('/slow', async () => {
            await once(app.pando.kernel.contexts.current().signal, 'abort');
            abandoned.open();
            return {};
          }),
          get('/quick', () => ({ body: 'served' })),
        ],
      });
      using client = new Http2Client(app.url);
      const slow = client.request('/slow');
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 1);
      slow.close(constants.NGHTTP2_CANCEL);
      await abandoned.opened;
      expect((await client.get('/quick')).body).toBe('served');
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 0);
      const labels = { method: 'GET', route: '/slow', status: '499' };
      expect(await app.metric('pando_http_requests_total', labels)).toBe(1);
    });

    it('answers out of the cache, but no request that has a body', async () => {
      const page = counted({ identity: 'public' });
      await using app = await start({ routes: [page], http2 });
      using client = new Http2Client(app.url);
      const bodies = [];
      for (const body of [undefined, undefined, '{}', undefined]) {
        bodies.push((await client.get('/page', {}, body)).body);
      }
      expect(bodies).toEqual(['run 1', 'run 1', 'run 2', 'run 1']);
      const known = await client.get('/page', { 'if-none-match': '*' });
      expect([known.status, known.body]).toEqual([304, '']);
      expect(known.headers['cache-status']).toMatch(/^pando; hit; ttl=\d+$/);
    });

    it('ends within its deadline with a stream open, and lets a request in flight finish', async () => {
      const [arrived, finish] = [createGate(), createGate()];
      const slow = get('/slow', async () => {
        arrived.open();
        await finish.opened;
        return { body: 'whole' };
      });
      await using app = await start({ streams: [news], routes: [slow], http2, closeTimeoutMs: 5_000 });
      using client = new Http2Client(app.url);
      const stream = client.request('/events');
      const ended = once(stream.resume(), 'end');
      await waitFor(() => app.pando.realtime.connections === 1);
      const answer = client.get('/slow');
      await arrived.opened;
      const beganAt = performance.now();
      const closing = app.serving.close();
      await ended;
      finish.open();
      expect(await answer).toMatchObject({ status: 200, body: 'whole' });
      await closing;
      expect(performance.now() - beganAt).toBeLessThan(5_000);
      await waitFor(() => client.closed);
    });
  });
}
