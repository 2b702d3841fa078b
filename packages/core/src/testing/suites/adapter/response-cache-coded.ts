import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { RunningApp, StartApp } from './app.js';
import { type CacheOptions, counted } from './cached-route.js';
import type { SuiteAnswer } from './harness.js';

const long = 'grüße, 🌳 '.repeat(500);
const decode: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  br: brotliDecompressSync,
  gzip: gunzipSync,
  identity: (body) => body,
};

/** An answer as it was on the wire: `fetch` would decode it. */
async function ask(app: RunningApp, coding: string, more: Record<string, string> = {}, method = 'GET') {
  const headers = { 'accept-encoding': coding, ...more };
  const request = httpRequest(`${app.url}/page`, { agent: false, headers, method }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const body = await buffer(response);
  const {
    etag,
    vary,
    'content-encoding': encoding = 'identity',
    'content-length': length,
  } = response.headers;
  const plain = body.length === 0 ? '' : String(decode[encoding]?.(body));
  return { status: response.statusCode, etag, vary, encoding, length, bytes: body.length, plain };
}

/** Stored answers in the codings that clients can decode. */
export function codedAnswerCases(start: StartApp): void {
  const coded = (answer: SuiteAnswer = {}, options: CacheOptions = {}) =>
    counted({ compress: true, ...options }, () => ({
      body: long,
      ...answer,
      headers: { 'content-type': 'text/plain; charset=utf-8', ...answer.headers },
    }));

  describe.each([false, true])(
    'a cached route that compresses, behind middleware that does: %s,',
    (compress) => {
      it('gives each client the best coding that it can decode', async () => {
        const page = coded();
        await using app = await start({ routes: [page], compress });
        await ask(app, 'identity');
        const given = [];
        for (const accepted of ['gzip, br', 'gzip', 'br;q=0, gzip', 'identity', 'br']) {
          const { encoding, plain, bytes, length, vary } = await ask(app, accepted);
          expect([plain, length, vary?.toLowerCase()]).toEqual([long, String(bytes), 'accept-encoding']);
          given.push(encoding);
        }
        expect(given).toEqual(['br', 'gzip', 'gzip', 'identity', 'br']);
        expect(page.runs()).toBe(1);
      });

      it('names each coding by a tag of its own, and knows the body by all of them', async () => {
        const page = coded({ headers: { etag: '"v1"' } });
        await using app = await start({ routes: [page], compress });
        await ask(app, 'identity');
        const tags = [];
        for (const coding of ['identity', 'br', 'gzip']) tags.push((await ask(app, coding)).etag);
        expect(tags).toEqual(['"v1"', 'W/"v1-br"', 'W/"v1-gzip"']);
        for (const tag of tags) {
          const known = await ask(app, 'gzip', { 'if-none-match': String(tag) });
          expect([known.status, known.etag, known.bytes]).toEqual([304, tag, 0]);
        }
        expect(page.runs()).toBe(1);
      });

      it('tells HEAD what GET would be told', async () => {
        await using app = await start({ routes: [coded()], compress });
        await ask(app, 'identity');
        const [got, head] = [await ask(app, 'br'), await ask(app, 'br', {}, 'HEAD')];
        expect(head).toEqual({ ...got, bytes: 0, plain: '' });
      });
    },
  );

  it.each<[string, SuiteAnswer]>([
    ['short', { body: 'short' }],
    ['no text', { headers: { 'content-type': 'image/png' } }],
    ['not to be transformed', { headers: { 'cache-control': 'no-transform' } }],
  ])('a cached route that compresses leaves alone what is %s', async (_, answer) => {
    const page = coded(answer);
    await using app = await start({ routes: [page] });
    for (let n = 0; n < 2; n++) {
      expect(await ask(app, 'br')).toMatchObject({ encoding: 'identity', plain: answer.body ?? long });
    }
    expect(page.runs()).toBe(1);
  });
}
