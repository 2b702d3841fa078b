import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { mergeTokens } from '../../../kernel/token.js';
import { waitFor } from '../../wait-for.js';
import { contextOf, get, type RunningApp, type StartApp, tokenAt } from './app.js';
import { talk } from './clients.js';
import type { AdapterSupport } from './harness.js';

/** Requests as they arrive, and how they end. */
export function exchangeCases(start: StartApp, { inject }: AdapterSupport): void {
  describe('exchange', () => {
    it('hands on method, URL, headers, parameters and body as they were sent', async () => {
      const seen: unknown[] = [];
      await using app = await start({
        routes: [
          {
            method: 'POST',
            mount: '/api/:tenant',
            path: '/items/:id',
            handler: ({ method, url, headers, params, body }) => {
              seen.push(method, url, headers['x-custom'], params.id, body);
              return { status: 201, headers: { 'x-answer': 'yes' }, body: 'made' };
            },
          },
        ],
      });
      const response = await app.get('/api/acme/items/7?full=1', {
        method: 'POST',
        headers: { 'x-custom': 'a', 'content-type': 'application/json' },
        body: JSON.stringify({ title: 'x' }),
      });
      expect([response.status, response.headers.get('x-answer'), await response.text()]).toEqual([
        201,
        'yes',
        'made',
      ]);
      expect(seen).toEqual(['POST', '/api/acme/items/7?full=1', 'a', '7', { title: 'x' }]);
    });

    it('believes what a trusted proxy says of address and scheme, and nobody else', async () => {
      const write = get(
        '/write',
        () => {
          app.pando.kernel.contexts.current().wrote(tokenAt(1));
          return {};
        },
        { limit: { policy: 'two' } },
      );
      let app!: RunningApp;
      const from = (ip: string) =>
        app.get('/write', { headers: { 'x-forwarded-for': ip, 'x-forwarded-proto': 'https' } });
      for (const [trustProxy, statuses] of [
        [false, [200, 200, 429, 429]],
        [true, [200, 200, 200, 429]],
      ] as const) {
        const kit = { limits: { policies: { two: '2/min' } } };
        await using running = await start({ kit, routes: [write], trustProxy });
        app = running;
        const first = await from('203.0.113.1');
        expect(/; Secure/.test(first.headers.getSetCookie().join())).toBe(trustProxy);
        const others = [await from('203.0.113.1'), await from('203.0.113.2'), await from('203.0.113.1')];
        expect([first, ...others].map(({ status }) => status)).toEqual(statuses);
      }
    });

    it('knows its client behind proxies as its options say, not as the framework does', async () => {
      const limit = { policy: 'two' };
      const kit = { limits: { policies: { two: '2/min' } } };
      for (const trustProxy of [false, true]) {
        const http = { clients: { proxies: ['127.0.0.0/8', '10.0.0.0/8'] } };
        const routes = [get('/limited', () => ({}), { limit })];
        await using app = await start({ kit, http, routes, trustProxy });
        const from = async (ip: string) =>
          (await app.get('/limited', { headers: { 'x-forwarded-for': ip, forwarded: 'for=6.6.6.6' } }))
            .status;
        const inventions = ['6.6.6.1', '6.6.6.2, unknown', '"', '203.0.113.9'];
        const statuses = [];
        for (const made of inventions) statuses.push(await from(`${made}, 203.0.113.1:80, 10.0.0.2`));
        expect(statuses).toEqual([200, 200, 429, 429]);
        expect(await from('203.0.113.2')).toBe(200);
        // What is no address counts as the proxy that says it.
        expect([await from('unknown'), await from('203.0.113.2, x'), await from('y')]).toEqual([
          200, 200, 429,
        ]);
        // Of IPv6 a /64 counts.
        const of6 = [
          await from('[2001:db8::1]:80'),
          await from('2001:DB8::2'),
          await from('2001:db8:0:0:f::3'),
        ];
        expect(of6).toEqual([200, 200, 429]);
      }
    });

    it('aborts its signal when the client goes away, and only then', async () => {
      const signals: AbortSignal[] = [];
      await using app = await start({
        routes: [
          get('/quick', () => {
            signals.push(app.pando.kernel.contexts.current().signal);
            return {};
          }),
          get('/slow', async () => {
            const { signal } = app.pando.kernel.contexts.current();
            signals.push(signal);
            await once(signal, 'abort');
            return {};
          }),
        ],
      });
      await (await app.get('/quick')).text();
      const client = new AbortController();
      const abandoned = app.get('/slow', { signal: client.signal });
      await waitFor(() => signals.length === 2);
      client.abort();
      await expect(abandoned).rejects.toThrow();
      await waitFor(() => signals[1]?.aborted, { message: 'the signal of the abandoned request' });
      expect(signals[0]?.aborted).toBe(false);
      expect(signals[1]?.reason).toMatchObject({ code: 'PANDO_HTTP_CLIENT_GONE' });
    });

    it('ends when the client goes away in the middle of its body', async () => {
      await using app = await start({ routes: [{ method: 'POST', path: '/upload', handler: () => ({}) }] });
      const request = httpRequest(`${app.url}/upload`, {
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json', 'content-length': 9 },
      });
      request.on('error', () => undefined);
      request.write('{"a":');
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 1);
      request.destroy();
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 0);
    });

    it('serves HTTP/1.0 without a Host header', async () => {
      await using app = await start({ routes: [get('/plain', () => ({ body: 'served' }))] });
      const text = await talk(app.serving.port, 'GET /plain HTTP/1.0\r\n\r\n');
      expect(text).toMatch(/^HTTP\/1\.[01] 200 /);
      expect(text).toMatch(/served$/);
    });

    it('reads every one of repeated headers, and a request id only where there is one', async () => {
      const seen: ReturnType<typeof contextOf>[] = [];
      await using app = await start({
        routes: [
          get('/read', () => {
            seen.push(contextOf(app.pando));
            return {};
          }),
        ],
      });
      const { tokens } = app.pando;
      const other = { ...tokenAt(7), cache: [{ epoch: 'other', sequence: 2 }] };
      const lines = [
        'GET /read HTTP/1.1',
        'Host: x',
        'Connection: close',
        'X-Request-Id: one',
        'X-Request-Id: two',
        `Pando-Token-App: ${tokens.encode(tokenAt(7))}`,
        `Pando-Token-App: ${tokens.encode(other)}`,
      ];
      expect(await talk(app.serving.port, `${lines.join('\r\n')}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
      expect(seen).toEqual([
        { id: expect.stringMatching(/^[0-9a-f-]{36}$/), token: mergeTokens(tokenAt(7), other) },
      ]);
    });

    it('keeps the connection for the next request', async () => {
      await using app = await start({ routes: [get('/plain', () => ({ body: 'served' }))] });
      const socket = connect(app.serving.port, '127.0.0.1');
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      for (const answers of [1, 2]) {
        socket.write('GET /plain HTTP/1.1\r\nHost: x\r\n\r\n');
        await waitFor(() => text.match(/HTTP\/1\.1 200 /g)?.length === answers);
      }
      socket.destroy();
    });

    if (inject) {
      it('serves injected requests like those from a wire', async () => {
        const kit = { limits: { policies: { one: '1/min' } } };
        const item = get(
          '/items/:id',
          () => {
            app.pando.kernel.contexts.current().wrote(tokenAt(1));
            return { body: contextOf(app.pando).id };
          },
          { limit: { policy: 'one' } },
        );
        await using app = await start({ kit, routes: [item], before: { 'x-mine': 'kept' } });
        const first = await app.inject('/items/7', { 'x-request-id': 'request-7' });
        expect([first.status, first.body]).toEqual([200, 'request-7']);
        expect(first.headers).toMatchObject({
          'x-mine': 'kept',
          'x-pando-instance': app.pando.instanceId,
          'pando-token-app': expect.any(String),
          'set-cookie': expect.stringMatching(/^pando\.app\./),
        });
        expect((await app.inject('/items/8')).status).toBe(429);
        expect(JSON.parse((await app.inject('/health/live')).body)).toMatchObject({ status: 'healthy' });
        const counted = { method: 'GET', route: '/items/:id', status: '429' };
        await waitFor(async () => (await app.metric('pando_http_requests_total', counted)) === 1);
      });

      it('streams to injected requests until the server ends the stream', async () => {
        const streams = [{ path: '/events', plan: () => ({ channels: ['news'] }) }];
        await using app = await start({ streams, before: { 'x-mine': 'kept' } });
        const answer = app.inject('/events');
        await waitFor(() => app.pando.realtime.connections === 1);
        const heard: unknown[] = [];
        await app.pando.realtime.subscribe('news', ({ data }) => heard.push(data));
        await app.pando.realtime.publish('news', 'to nobody on a wire');
        await waitFor(() => heard.length === 1);
        await app.serving.close();
        const { status, headers, body } = await answer;
        expect([status, headers['x-mine'], headers['content-type']]).toEqual([
          200,
          'kept',
          'text/event-stream; charset=utf-8',
        ]);
        expect(body).toContain('data: "to nobody on a wire"');
        expect(app.pando.realtime.connections).toBe(0);
      });
    }
  });
}
