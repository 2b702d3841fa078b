import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { fleetOn, type RunningApp, type StartApp, tokenAt, tokenOf } from './app.js';
import { type CacheOptions, counted, outcomes, partOf, text } from './cached-route.js';
import type { SuiteRoute } from './harness.js';
import { codedAnswerCases } from './response-cache-coded.js';
import { fleetAnswerCases } from './response-cache-fleet.js';
import { leakCases } from './response-cache-leaks.js';
import { sharedAnswerCases } from './response-cache-sharing.js';
import { staleAnswerCases } from './response-cache-stale.js';
import { unstoredCases } from './response-cache-unstored.js';

/** Answers of routes that are cached. */
export function responseCacheCases(start: StartApp, redis: string | undefined): void {
  unstoredCases(start);
  leakCases(start);
  codedAnswerCases(start);
  staleAnswerCases(start);
  sharedAnswerCases(start);
  if (redis !== undefined) fleetAnswerCases(start, redis);

  describe('a cached route', () => {
    it('runs its handler once, and gives the same answer to all who ask after that', async () => {
      const headers = { 'content-type': 'text/markdown', 'x-own': 'yes', link: '</next>; rel="next"' };
      const page = counted({}, () => ({ headers }));
      await using app = await start({ routes: [page] });
      const [first, second] = [await app.get('/page'), await app.get('/page')];
      expect([await first.text(), await second.text(), page.runs()]).toEqual(['run 1', 'run 1', 1]);
      for (const name of ['content-type', 'x-own', 'link', 'etag', 'cache-control', 'content-length']) {
        expect(second.headers.get(name)).toBe(first.headers.get(name));
      }
      expect(second.headers.get('x-own')).toBe('yes');
      expect(first.headers.get('cache-control')).toBe('private, no-cache');
      expect([first.headers.get('age'), second.headers.get('age')]).toEqual([null, '0']);
      expect(await outcomes(app)).toEqual([1, 1, 0]);
    });

    it('stores bodies of any kind, byte for byte', async () => {
      const bodies = ['', 'grüße, 🌳', '\u0000\ufeff"\\'];
      const page = counted({}, ({ url }) => ({ body: bodies[Number(url.split('=')[1])] ?? 'none' }));
      await using app = await start({ routes: [page] });
      for (const [index, body] of bodies.entries()) {
        const url = `/page?body=${index}`;
        const answers = [await app.get(url), await app.get(url)];
        const bytes = await Promise.all(answers.map(async (one) => Buffer.from(await one.arrayBuffer())));
        expect(bytes.map(String)).toEqual([body, body]);
      }
      expect(page.runs()).toBe(bodies.length);
    });

    it('takes the order of parameters for nothing, and everything else for a difference', async () => {
      const page = counted();
      await using app = await start({ routes: [page] });
      const bodies = [];
      for (const query of ['?a=1&b=2', '?b=2&a=1', '?a=1', '', '?a=1&a=2', '?a=2&a=1']) {
        bodies.push(await text(app.get(`/page${query}`)));
      }
      expect(bodies).toEqual(['run 1', 'run 1', 'run 2', 'run 3', 'run 4', 'run 5']);
    });

    it('takes parameters for nothing that it does not name', async () => {
      const page = counted({ query: ['a'] });
      await using app = await start({ routes: [page] });
      const bodies = [];
      for (const query of ['?a=1', '?a=1&utm_source=mail', '?a=2&utm_source=mail', '?a=1&%61=3']) {
        bodies.push(await text(app.get(`/page${query}`)));
      }
      expect(bodies).toEqual(['run 1', 'run 1', 'run 2', 'run 3']);
    });

    it('says where its answer comes from, or why not from the cache', async () => {
      const page = counted({}, ({ url }) =>
        url.endsWith('?cookie') ? { headers: { 'set-cookie': 'a=1' } } : {},
      );
      await using app = await start({ routes: [page] });
      const parts = [];
      for (const [url, headers] of [
        ['/page', {}],
        ['/page', {}],
        ['/page', { authorization: 'Bearer ann' }],
        ['/page', { range: 'bytes=0-1' }],
        ['/page?cookie', {}],
        ['/page?cookie', {}],
      ] as const) {
        parts.push(partOf(await app.get(url, { headers }))?.replace(/ttl=\d+$/, 'ttl'));
      }
      expect(parts).toEqual([
        'pando; fwd=miss',
        'pando; hit; ttl',
        'pando; fwd=bypass',
        'pando; fwd=request',
        'pando; fwd=miss; detail=cookie',
        'pando; fwd=bypass; detail=cookie',
      ]);
    });

    it('says for how long its answer is fresh, by its options and by what the answer says itself', async () => {
      const own = { headers: { 'cache-control': 's-maxage=7200' } };
      const page = counted({ ttlMs: 3_600_000 }, ({ url }) => (url.endsWith('?own') ? own : {}));
      await using app = await start({ kit: { cache: { jitterRatio: 0 } }, routes: [page] });
      for (const [url, seconds] of [['/page', 3_600] as const, ['/page?own', 7_200] as const]) {
        await text(app.get(url));
        const ttl = Number(/^pando; hit; ttl=(\d+)$/.exec(partOf(await app.get(url)) ?? '')?.[1]);
        expect(ttl).toBeGreaterThan(seconds - 600);
        expect(ttl).toBeLessThanOrEqual(seconds);
      }
    });

    it('keeps to itself where its answer comes from when it is told to', async () => {
      await using app = await start({ routes: [counted({ cacheStatus: false })] });
      expect([partOf(await app.get('/page')), partOf(await app.get('/page'))]).toEqual([null, null]);
    });

    it('answers HEAD with the head of what GET has stored', async () => {
      const page = counted();
      await using app = await start({ routes: [page] });
      await text(app.get('/page', { method: 'HEAD' })); // stores nothing: it has no body
      const got = await app.get('/page');
      const body = await got.text();
      const runs = page.runs();
      const head = await app.get('/page', { method: 'HEAD' });
      expect([head.status, await head.text(), page.runs()]).toEqual([200, '', runs]);
      expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(body)));
      expect(head.headers.get('etag')).toBe(got.headers.get('etag'));
    });

    it('tells who has the answer already that it has not changed', async () => {
      const page = counted({}, () => ({ headers: { 'content-type': 'text/plain', 'x-own': 'yes' } }));
      await using app = await start({ routes: [page], before: { 'x-frame-options': 'DENY' } });
      const ask = (etag: string) => app.get('/page', { headers: { 'if-none-match': etag } });
      const first = await ask('*'); // by its own handler, whose whole answer is stored all the same
      expect([first.status, await first.text(), first.headers.get('content-length')]).toEqual([
        304,
        '',
        null,
      ]);
      const etag = first.headers.get('etag') ?? '';
      expect(await text(app.get('/page'))).toBe('run 1');
      for (const known of [etag, etag.replace('W/', ''), `"other", ${etag}`, '*']) {
        const revalidated = await ask(known);
        expect([revalidated.status, await revalidated.text()]).toEqual([304, '']);
        expect(revalidated.headers.get('etag')).toBe(etag);
        expect(revalidated.headers.get('cache-control')).toBe('private, no-cache');
        expect(revalidated.headers.get('x-frame-options')).toBe('DENY');
        expect(['content-type', 'x-own'].map((name) => revalidated.headers.get(name))).toEqual([null, null]);
      }
      expect([(await ask('"other"')).status, page.runs()]).toEqual([200, 1]);
    });

    it('tells who asks by date that it has not changed since, where no entity tag says otherwise', async () => {
      const [changed, before, after] = [5, 4, 6].map((s) => `Sun, 06 Nov 1994 08:49:0${s} GMT`) as [
        string,
        ...string[],
      ];
      const page = counted({}, () => ({ headers: { 'last-modified': changed } }));
      await using app = await start({ routes: [page] });
      const ask = async (headers: Record<string, string | undefined>) =>
        (await app.get('/page', { headers: headers as Record<string, string> })).status;
      expect(await ask({ 'if-modified-since': changed })).toBe(304); // by its own handler, whose whole answer is stored
      const whole = await app.get('/page');
      expect([await whole.text(), whole.headers.get('last-modified')]).toEqual(['run 1', changed]);
      const etag = whole.headers.get('etag') ?? '';
      expect(await ask({ 'if-modified-since': changed })).toBe(304);
      expect(await ask({ 'if-modified-since': after })).toBe(304);
      expect(await ask({ 'if-modified-since': before })).toBe(200);
      expect(await ask({ 'if-modified-since': 'yesterday' })).toBe(200);
      expect(await ask({ 'if-modified-since': changed, 'if-none-match': '"other"' })).toBe(200);
      expect(await ask({ 'if-modified-since': before, 'if-none-match': etag })).toBe(304);
      expect(page.runs()).toBe(1);
    });

    it('tells nothing by date to who may have seen a write of the same second', async () => {
      const date = 'Sun, 06 Nov 1994 08:49:05 GMT';
      const page = counted({ tags: ['page'] }, () => ({ headers: { 'last-modified': date } }));
      await using app = await start({ routes: [page] });
      await text(app.get('/page'));
      const { token } = await app.pando.cache.invalidate(['page']);
      const headers = { 'if-modified-since': date, 'pando-token-app': app.pando.tokens.encode(token) };
      for (let n = 0; n < 2; n++) expect(await text(app.get('/page', { headers }))).toBe('run 2');
    });

    it('forgets its answer when a tag is invalidated: its own, or that of a value which went into it', async () => {
      let app!: RunningApp;
      const page = counted({ tags: (request) => [`page:${request.headers['x-page']}`] }, async () => {
        const value = await app.pando.cache.getOrLoad('value', () => page.runs(), { tags: ['inner'] });
        return { headers: { 'x-value': String(value) } };
      });
      app = await start({ routes: [page] });
      await using _ = app;
      const ask = () => text(app.get('/page', { headers: { 'x-page': '7' } }));
      expect([await ask(), await ask()]).toEqual(['run 1', 'run 1']);
      await app.pando.cache.invalidate(['page:7']);
      expect([await ask(), await ask()]).toEqual(['run 2', 'run 2']);
      await app.pando.cache.invalidate(['inner']);
      expect([await ask(), await ask()]).toEqual(['run 3', 'run 3']);
      await app.pando.cache.invalidate(['page:8']);
      expect(await ask()).toBe('run 3');
    });

    it('is asked itself by a client whose token the cache cannot match, and gives it one that it can', async () => {
      const page = counted();
      await using app = await start({ routes: [page] });
      const ask = (token: string) => app.get('/page', { headers: { 'pando-token-app': token } });
      expect(await text(app.get('/page'))).toBe('run 1');
      const answer = await ask(app.pando.tokens.encode(tokenAt(7)));
      expect(await answer.text()).toBe('run 2');
      const { cache } = tokenOf(app.pando, answer);
      expect(cache.map(({ epoch }) => epoch)).not.toContain('suite');
      expect(await text(ask(answer.headers.get('pando-token-app') ?? ''))).toBe('run 1');
    });

    it('keeps to itself what an answer says of its own request', async () => {
      const mine = { 'x-request-id': 'one', traceparent: '00-1-1-00', 'server-timing': 'db;dur=5' };
      const page = counted({}, () => (page.runs() === 1 ? { headers: mine } : {}));
      await using app = await start({ routes: [page] });
      expect((await app.get('/page')).headers.get('x-request-id')).toBe('one');
      const { headers } = await app.get('/page');
      expect(Object.keys(mine).filter((name) => headers.has(name))).toEqual([]);
      expect(headers.get('x-pando-instance')).toBe(app.pando.instanceId);
    });

    it('answers with the headers that were set before it, each time anew', async () => {
      await using app = await start({
        routes: [counted()],
        before: { vary: 'Origin', 'x-frame-options': 'DENY' },
      });
      for (let n = 0; n < 2; n++) {
        const { headers } = await app.get('/page');
        expect([headers.get('vary'), headers.get('x-frame-options')]).toEqual(['Origin', 'DENY']);
      }
    });

    it('is compressed on its way like any other', async () => {
      const page = counted({}, () => ({
        headers: { 'content-type': 'text/plain' },
        body: 'x'.repeat(5_000),
      }));
      await using app = await start({ routes: [page], compress: true });
      const encodings = [];
      for (const encoding of ['identity', 'gzip', 'br', 'gzip', 'identity']) {
        const answer = await app.get('/page', { headers: { 'accept-encoding': encoding } });
        expect(await answer.text()).toBe('x'.repeat(5_000));
        encodings.push(answer.headers.get('content-encoding') ?? 'identity');
      }
      expect(encodings).toEqual(['identity', 'gzip', 'br', 'gzip', 'identity']);
      expect(page.runs()).toBe(1);
    });

    it('is refused at once when its options cannot be right', async () => {
      const started = start({ routes: [counted({ ttl: 5 } as CacheOptions)] });
      await expect(started).rejects.toThrow(/Did you mean "ttlMs"/);
    });
  });

  describe.runIf(redis)('a cached route of two instances', () => {
    it('runs its handler once for both, and never shows the past to who has written', async () => {
      const kit = fleetOn(redis ?? '');
      let version = 0;
      const page = counted({ tags: ['page'] }, () => ({ body: String(version) }));
      const write: SuiteRoute = {
        method: 'PUT',
        path: '/page',
        async handler({ headers }) {
          version++;
          await (headers['x-to'] === 'a' ? a : b).pando.cache.invalidate(['page']);
          return { status: 204 };
        },
      };
      const a: RunningApp = await start({ kit, routes: [page, write] });
      await using _a = a;
      const b: RunningApp = await start({ kit, routes: [page, write] });
      await using _b = b;
      const header = `pando-token-${kit.name}`;

      expect(await text(a.get('/page'))).toBe('0');
      // The first answer is stored behind it.
      await waitFor(async () => (await b.get('/page')).headers.has('age'), {
        message: 'the answer of the other',
      });
      for (let round = 1; round <= 20; round++) {
        await Promise.all([text(a.get('/page')), text(b.get('/page'))]); // the past is everywhere
        const [to, from] = round % 2 === 0 ? [a, b] : [b, a];
        const written = await to.get('/page', { method: 'PUT', headers: { 'x-to': to === a ? 'a' : 'b' } });
        const token = written.headers.get(header) ?? '';
        for (const app of [from, to]) {
          expect(await text(app.get('/page', { headers: { [header]: token } }))).toBe(String(round));
        }
      }
    });
  });
}
