import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { emptyToken, mergeTokens, type Token } from '../../../kernel/token.js';
import { contextOf, createGate, get, type StartApp, tokenAt, tokenOf } from './app.js';
import type { SuiteAnswer } from './harness.js';

/** The context that code of a request runs in, and the tokens that go in and out. */
export function contextCases(start: StartApp): void {
  describe('context', () => {
    it('is the same after awaits, timers and streams, and once the body is there', async () => {
      const ids: string[] = [];
      await using app = await start({
        routes: [
          {
            method: 'POST',
            path: '/work',
            async handler() {
              const note = (): void => void ids.push(app.pando.kernel.contexts.current().id);
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
      await using app = await start({
        routes: [
          get('/slow/:n', async ({ params }) => {
            const context = app.pando.kernel.contexts.current();
            context.wrote(tokenAt(Number(params.n)));
            if (++arrived === 2) both.open();
            await both.opened;
            seen.push([params.n, contextOf(app.pando)]);
            return {};
          }),
        ],
      });
      const ask = (n: number) => app.get(`/slow/${n}`, { headers: { 'x-request-id': `id-${n}` } });
      const answers = await Promise.all([ask(1), ask(2)]);
      expect(new Map(seen as [string, unknown][])).toEqual(
        new Map([
          ['1', { id: 'id-1', token: tokenAt(1) }],
          ['2', { id: 'id-2', token: tokenAt(2) }],
        ]),
      );
      expect(answers.map((answer) => tokenOf(app.pando, answer))).toEqual([tokenAt(1), tokenAt(2)]);
    });

    it('replaces a request id that is not fit for logs', async () => {
      await using app = await start({ routes: [get('/id', () => ({ body: contextOf(app.pando).id }))] });
      const ids = await Promise.all(
        ['two words', 'x'.repeat(129), '"quoted"'].map(async (id) =>
          (await app.get('/id', { headers: { 'x-request-id': id } })).text(),
        ),
      );
      for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
    });
  });

  describe('tokens', () => {
    it('are read from the header and from cookies, and returned merged', async () => {
      const seen: Token[] = [];
      await using app = await start({
        routes: [
          get('/read', () => {
            seen.push(contextOf(app.pando).token);
            return {};
          }),
        ],
      });
      const other = { ...emptyToken, pending: ['row-1'] };
      const response = await app.get('/read', {
        headers: {
          'pando-token-app': app.pando.tokens.encode(tokenAt(5)),
          cookie: `theme=dark; pando.app.a=${app.pando.tokens.encode(tokenAt(3))}; pando.app.b=${app.pando.tokens.encode(other)}`,
        },
      });
      expect(seen).toEqual([mergeTokens(tokenAt(5), other)]);
      expect(tokenOf(app.pando, response)).toEqual(mergeTokens(tokenAt(5), other));
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
      await using app = await start({
        routes: [
          {
            method: 'PUT',
            path: '/write',
            handler() {
              app.pando.kernel.contexts.current().wrote(tokenAt(9));
              return { status: 204 };
            },
          },
          get('/read', () => ({ body: JSON.stringify(contextOf(app.pando).token.cache) })),
        ],
      });
      const written = await app.get('/write', { method: 'PUT' });
      const [cookie = '', ...others] = written.headers.getSetCookie();
      expect(others).toEqual([]);
      expect(cookie).toMatch(/; HttpOnly; SameSite=Lax$/);
      expect(written.headers.get('cache-control')).toBe('private');
      const read = await app.get('/read', { headers: { cookie: cookie.split(';', 1)[0] ?? '' } });
      expect(await read.json()).toEqual(tokenAt(9).cache);
    });

    it('leave merged with errors, with 304 and with what no route answers, too', async () => {
      const wrote = (answer: () => SuiteAnswer) => () => {
        app.pando.kernel.contexts.current().wrote(tokenAt(4));
        return answer();
      };
      await using app = await start({
        routes: [
          get(
            '/unchanged',
            wrote(() => ({ status: 304, headers: { etag: '"1"' } })),
          ),
          get(
            '/bad',
            wrote(() => ({ status: 400 })),
          ),
          get(
            '/failing',
            wrote(() => {
              throw new Error('boom');
            }),
          ),
        ],
      });
      const seen = { ...emptyToken, pending: ['row-1'] };
      const headers = { cookie: `pando.app.a=${app.pando.tokens.encode(seen)}` };
      for (const [path, status] of [
        ['/unchanged', 304],
        ['/bad', 400],
        ['/failing', 500],
      ] as const) {
        const response = await app.get(path, { headers });
        const token = mergeTokens(seen, tokenAt(4));
        expect([path, response.status, tokenOf(app.pando, response)]).toEqual([path, status, token]);
        expect(response.headers.getSetCookie()).toHaveLength(1);
      }
      const lost = await app.get('/nowhere', { headers });
      expect([lost.status, tokenOf(app.pando, lost)]).toEqual([404, seen]);
    });

    it('can be read by scripts of other origins where those may read the answer at all', async () => {
      const exposed = async (before: Record<string, string>) => {
        await using app = await start({
          before,
          routes: [
            get('/write', () => {
              app.pando.kernel.contexts.current().wrote(tokenAt(1));
              return {};
            }),
          ],
        });
        return (await app.get('/write')).headers.get('access-control-expose-headers')?.toLowerCase();
      };
      const cors = {
        'access-control-allow-origin': 'https://other.example',
        'access-control-expose-headers': 'X-Mine',
      };
      expect(await exposed(cors)).toBe('x-mine, pando-token-app');
      expect(await exposed({})).toBeUndefined();
    });
  });
}
