import { describe, expect, it } from 'vitest';
import { SharedBytes } from '../../../kernel/shared-bytes.js';
import type { Pando } from '../../../pando.js';
import type { Realtime } from '../../../realtime/index.js';
import { waitFor } from '../../wait-for.js';
import { get, quiet, type StartApp, tokenAt } from './app.js';
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

    it('are not held back where other answers are compressed', async () => {
      const page = { headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(4_096) };
      await using app = await start({ streams: [news], routes: [get('/page', () => page)], compress: true });
      const headers = { 'accept-encoding': 'gzip, br' };
      expect((await app.get('/page', { headers })).headers.get('content-encoding')).not.toBeNull();
      using stream = await EventStream.open(`${app.url}/events`, { headers });
      await waitFor(() => stream.text !== '', { message: 'the first bytes through compression' });
      await waitFor(() => stream.lastEventId !== undefined);
      await app.pando.realtime.publish('news', 'now');
      await waitFor(() => stream.messages.length === 1);
    });

    it('keep the headers that the application set before', async () => {
      const before = {
        'access-control-allow-origin': 'https://other.example',
        'set-cookie': ['theme=dark', 'lang=de'],
        'x-frame-options': 'DENY',
      };
      await using app = await start({ streams: [news], before });
      using stream = await EventStream.open(`${app.url}/events`, {
        headers: { 'pando-token-app': app.pando.tokens.encode(tokenAt(3)) },
      });
      expect(stream.headers).toMatchObject(before);
      expect(stream.headers['x-pando-instance']).toBe(app.pando.instanceId);
      expect(stream.headers['pando-token-app']).toBeDefined();
    });

    it('are in the access log once they are over', async () => {
      const logged: string[] = [];
      await using app = await start({ streams: [news], accessLog: (url) => logged.push(url) });
      const left = await EventStream.open(`${app.url}/events?left`);
      await waitFor(() => left.text !== '');
      left.close();
      await waitFor(() => logged.length === 1);
      using ended = await EventStream.open(`${app.url}/events?ended`);
      await waitFor(() => ended.text !== '');
      await app.serving.close();
      await waitFor(() => logged.length === 2);
      expect(logged).toEqual(['/events?left', '/events?ended']);
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

    it('end when they fail after their first bytes', async () => {
      const failing = (pando: Pando): Pando => {
        const openSse: Realtime['openSse'] = async (outlet) => {
          outlet.write([new SharedBytes(Buffer.from('retry: 1000\n\n'))]);
          throw new Error('lost');
        };
        const refusal: Realtime['refusal'] = (applicant) => pando.realtime.refusal(applicant);
        return { ...pando, realtime: { openSse, refusal } as Realtime };
      };
      await using app = await start({ streams: [news], rewire: failing, kit: { logger: quiet } });
      using stream = await EventStream.open(`${app.url}/events`);
      await stream.finished();
      expect([stream.status, stream.text]).toEqual([200, 'retry: 1000\n\n']);
    });

    it('answer HEAD with their head alone', async () => {
      await using app = await start({ streams: [news] });
      const response = await app.get('/events', { method: 'HEAD' });
      expect([response.status, await response.text()]).toEqual([200, '']);
      expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      expect(app.pando.realtime.connections).toBe(0);
    });

    it('are not opened by OPTIONS', async () => {
      await using app = await start({ streams: [news] });
      const response = await app.get('/events', { method: 'OPTIONS' });
      await response.text();
      expect(response.headers.get('content-type') ?? '').not.toContain('event-stream');
      expect(app.pando.realtime.connections).toBe(0);
    });
  });
}
