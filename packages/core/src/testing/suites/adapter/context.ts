import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { emptyToken, mergeTokens, type Token } from '../../../kernel/token.js';
import type { Pando } from '../../../pando.js';
import { waitFor } from '../../wait-for.js';
import { createGate, get, type StartApp, tokenAt } from './app.js';

/** What the handler of a case saw of its context. */
const seenBy = (pando: Pando) => {
  const { id, token } = pando.kernel.contexts.current();
  return { id, token };
};

/** Requests, their contexts, and the tokens that go in and out. */
export function contextCases(start: StartApp): void {
  describe('context', () => {
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

    it('serves HTTP/1.0 without a Host header', async () => {
      await using app = await start({ routes: [get('/plain', () => ({ body: 'served' }))] });
      const socket = connect(app.serving.port, '127.0.0.1');
      socket.write('GET /plain HTTP/1.0\r\n\r\n');
      let text = '';
      for await (const chunk of socket) text += chunk;
      expect(text).toMatch(/^HTTP\/1\.[01] 200 /);
      expect(text).toMatch(/served$/);
    });

    it('is the same after awaits, timers and streams, and once the body is there', async () => {
      const ids: string[] = [];
      let pando!: Pando;
      await using app = await start({
        routes: [
          {
            method: 'POST',
            path: '/work',
            async handler() {
              const note = (): void => void ids.push(pando.kernel.contexts.current().id);
              note();
              await delay(1);
              note();
              await new Promise<void>((resolve) =>
                setImmediate(() => {
                  note();
                  resolve();
                }),
              );
              await pipeline(Readable.from(['a', 'b']), async (parts) => {
                for await (const _ of parts) note();
              });
              return {};
            },
          },
        ],
      });
      ({ pando } = app);
      // In two packets, so that reading the body really waits.
      const request = httpRequest(`${app.url}/work`, {
        method: 'POST',
        agent: false,
        headers: { 'x-request-id': 'request-7', 'content-type': 'application/json', 'content-length': 9 },
      });
      request.flushHeaders();
      request.write('{"a":');
      setImmediate(() => request.end('"b"}'));
      const [response] = await once(request, 'response');
      response.resume();
      expect(response.statusCode).toBe(200);
      expect(ids).toEqual(Array.from({ length: 5 }, () => 'request-7'));
    });

    it('is never shared by two requests at once', async () => {
      const both = createGate();
      const seen: unknown[] = [];
      let arrived = 0;
      let pando!: Pando;
      await using app = await start({
        routes: [
          get('/slow/:n', async ({ params }) => {
            const context = pando.kernel.contexts.current();
            context.wrote(tokenAt(Number(params.n)));
            if (++arrived === 2) both.open();
            await both.opened;
            seen.push([params.n, seenBy(pando)]);
            return {};
          }),
        ],
      });
      ({ pando } = app);
      const ask = (n: number) => app.get(`/slow/${n}`, { headers: { 'x-request-id': `id-${n}` } });
      const answers = await Promise.all([ask(1), ask(2)]);
      expect(new Map(seen as [string, unknown][])).toEqual(
        new Map([
          ['1', { id: 'id-1', token: tokenAt(1) }],
          ['2', { id: 'id-2', token: tokenAt(2) }],
        ]),
      );
      expect(answers.map((answer) => decode(app.pando, answer))).toEqual([tokenAt(1), tokenAt(2)]);
    });

    it('replaces a request id that is not fit for logs', async () => {
      let pando!: Pando;
      await using app = await start({ routes: [get('/id', () => ({ body: seenBy(pando).id }))] });
      ({ pando } = app);
      const ids = await Promise.all(
        ['two words', 'x'.repeat(129), '"quoted"'].map(async (id) =>
          (await app.get('/id', { headers: { 'x-request-id': id } })).text(),
        ),
      );
      for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
    });

    it('aborts its signal when the client goes away, and only then', async () => {
      const signals: AbortSignal[] = [];
      let pando!: Pando;
      await using app = await start({
        routes: [
          get('/quick', () => {
            signals.push(pando.kernel.contexts.current().signal);
            return {};
          }),
          get('/slow', async () => {
            const { signal } = pando.kernel.contexts.current();
            signals.push(signal);
            await once(signal, 'abort');
            return {};
          }),
        ],
      });
      ({ pando } = app);
      await (await app.get('/quick')).text();
      const client = new AbortController();
      const abandoned = app.get('/slow', { signal: client.signal });
      await waitFor(() => signals.length === 2);
      expect(await app.metric('pando_http_requests_in_flight')).toBe(1);
      client.abort();
      await expect(abandoned).rejects.toThrow();
      await waitFor(() => signals[1]?.aborted, { message: 'the signal of the abandoned request' });
      expect(signals[0]?.aborted).toBe(false);
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 0);
      const labels = { method: 'GET', route: '/slow', status: '499' };
      expect(await app.metric('pando_http_requests_total', labels)).toBe(1);
    });
  });

  describe('tokens', () => {
    const answerWith = (status: number, headers: Record<string, string> = {}) =>
      get(`/status/${status}`, () => ({ status, headers }));

    it('are read from the header and from cookies, and returned merged', async () => {
      let pando!: Pando;
      const seen: Token[] = [];
      await using app = await start({
        routes: [
          get('/read', () => {
            seen.push(seenBy(pando).token);
            return {};
          }),
        ],
      });
      ({ pando } = app);
      const other = { ...emptyToken, pending: ['row-1'] };
      const response = await app.get('/read', {
        headers: {
          'pando-token-app': pando.tokens.encode(tokenAt(5)),
          cookie: `theme=dark; pando.app.a=${pando.tokens.encode(tokenAt(3))}; pando.app.b=${pando.tokens.encode(other)}`,
        },
      });
      expect(seen).toEqual([mergeTokens(tokenAt(5), other)]);
      expect(decode(pando, response)).toEqual(mergeTokens(tokenAt(5), other));
      expect(response.headers.getSetCookie()).toEqual([]);
    });

    it('that are malformed or foreign are ignored and counted', async () => {
      await using app = await start({ routes: [get('/read', () => ({ body: 'fine' }))] });
      const response = await app.get('/read', {
        headers: { 'pando-token-app': 'nonsense', cookie: 'pando.app.a=1.c.AAAAAAAAAAAAAAAAAAAAAA' },
      });
      expect([response.status, response.headers.has('pando-token-app')]).toEqual([200, false]);
      expect(await app.metric('pando_http_tokens_ignored_total', { reason: 'malformed' })).toBe(1);
      expect(await app.metric('pando_http_tokens_ignored_total', { reason: 'foreign' })).toBe(1);
    });

    it('of a write come back as header and cookie, and the cookie alone carries them on', async () => {
      let pando!: Pando;
      await using app = await start({
        routes: [
          {
            method: 'PUT',
            path: '/write',
            handler() {
              pando.kernel.contexts.current().wrote(tokenAt(9));
              return { status: 204 };
            },
          },
          get('/read', () => ({ body: JSON.stringify(seenBy(pando).token.cache) })),
        ],
      });
      ({ pando } = app);
      const written = await app.get('/write', { method: 'PUT' });
      const [cookie = '', ...others] = written.headers.getSetCookie();
      expect(others).toEqual([]);
      expect(cookie).toMatch(/; HttpOnly; SameSite=Lax$/);
      expect(written.headers.get('cache-control')).toBe('private');
      const read = await app.get('/read', { headers: { cookie: cookie.split(';', 1)[0] ?? '' } });
      expect(await read.json()).toEqual(tokenAt(9).cache);
    });

    it('leave with errors, with 304 and with what no route answers, too', async () => {
      let pando!: Pando;
      const token = tokenAt(4);
      await using app = await start({
        routes: [
          answerWith(304, { etag: '"1"' }),
          answerWith(400),
          get('/failing', () => {
            pando.kernel.contexts.current().wrote(token);
            throw new Error('boom');
          }),
        ],
      });
      ({ pando } = app);
      const headers = { 'pando-token-app': pando.tokens.encode(token) };
      for (const [path, status] of [
        ['/status/304', 304],
        ['/status/400', 400],
        ['/nowhere', 404],
      ] as const) {
        const response = await app.get(path, { headers });
        expect([path, response.status, decode(pando, response)]).toEqual([path, status, token]);
      }
      const failed = await app.get('/failing');
      expect([failed.status, decode(pando, failed)]).toEqual([500, token]);
      expect(failed.headers.getSetCookie()).toHaveLength(1);
    });

    it('can be read by scripts of other origins where those may read the answer at all', async () => {
      let pando!: Pando;
      const write = get('/write', () => {
        pando.kernel.contexts.current().wrote(tokenAt(1));
        return {};
      });
      const cors = {
        'access-control-allow-origin': 'https://other.example',
        'access-control-expose-headers': 'X-Mine',
      };
      await using app = await start({ routes: [write], before: cors });
      ({ pando } = app);
      const exposed = (await app.get('/write')).headers.get('access-control-expose-headers');
      expect(exposed?.toLowerCase()).toBe('x-mine, pando-token-app');

      await using plain = await start({ routes: [write] });
      ({ pando } = plain);
      expect((await plain.get('/write')).headers.has('access-control-expose-headers')).toBe(false);
    });
  });
}

/** The token that an answer carries. */
function decode(pando: Pando, response: Response): Token {
  const decoded = pando.tokens.decode(response.headers.get('pando-token-app') ?? '');
  if (decoded.kind !== 'token') throw new Error(`The answer carries ${decoded.kind} text for a token.`);
  return decoded.token;
}
