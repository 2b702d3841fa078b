import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { createGate, ownFormat, type RunningApp, type StartApp } from './app.js';
import { type CacheOptions, counted, partOf, text } from './cached-route.js';
import type { SuiteAnswer } from './harness.js';

const runOf = (body: string): number => Number(body.replace('run ', ''));

/** Answers past their time. */
export function staleAnswerCases(start: StartApp): void {
  describe('a cached route whose answer is past its time', () => {
    it.each<[string, CacheOptions, SuiteAnswer]>([
      ['its options', { ttlMs: 20, staleMs: 60_000 }, {}],
      ['its answers', { ttlMs: 20 }, { headers: { 'cache-control': 'private, stale-while-revalidate=60' } }],
    ])('serves it on while one request waits for the new one, by %s', async (_, options, answer) => {
      const gate = createGate();
      const page = counted({ identity: () => 'ann', ...options }, async () => {
        if (page.runs() > 1) await gate.opened;
        return answer;
      });
      await using app = await start({ routes: [page] });
      expect(await text(app.get('/page'))).toBe('run 1');
      const asked: Promise<string>[] = [];
      await waitFor(() => {
        asked.push(text(app.get('/page')));
        return page.runs() === 2;
      });
      for (let n = 0; n < 3; n++) expect(await text(app.get('/page'))).toBe('run 1');
      expect(page.runs()).toBe(2);
      gate.open();
      const bodies = await Promise.all(asked);
      expect(bodies.filter((body) => body !== 'run 1')).toEqual(['run 2']);
      await waitFor(async () => runOf(await text(app.get('/page'))) >= 2);
    });

    it('gives its head to HEAD, and leaves replacing it to GET', async () => {
      const methods: string[] = [];
      const page = counted({ ttlMs: 20, staleMs: 60_000 }, ({ method }) => {
        methods.push(method);
        return {};
      });
      await using app = await start({ routes: [page] });
      const etag = (await app.get('/page')).headers.get('etag');
      let part: string | null = null;
      await waitFor(async () => {
        const head = await app.get('/page', { method: 'HEAD' });
        expect([head.status, head.headers.get('etag')]).toEqual([200, etag]);
        part = partOf(head);
        return part?.includes('ttl=-');
      });
      expect(methods).toEqual(['GET']);
      await waitFor(async () => runOf(await text(app.get('/page'))) > 1);
    });

    it.each<[string, CacheOptions, SuiteAnswer]>([
      ['its options', { ttlMs: 20, staleIfErrorMs: 60_000, tags: ['page'] }, {}],
      ['its answers', { ttlMs: 20, tags: ['page'] }, { headers: { 'cache-control': 'stale-if-error=60' } }],
    ])('serves it instead of a failure, by %s, until it is invalidated', async (_, options, answer) => {
      const before = { 'x-frame-options': 'DENY' };
      const page = counted(options, () => {
        if (page.runs() > 1) throw new Error('boom');
        return { ...answer, headers: { ...answer.headers, 'x-own': 'yes', 'content-type': 'text/markdown' } };
      });
      await using app = await start({ routes: [page], before, onError: ownFormat });
      const first = await app.get('/page');
      expect(await first.text()).toBe('run 1');
      const parts = new Set<string | null>();
      await waitFor(async () => {
        const given = await app.get('/page');
        expect([given.status, await given.text(), given.headers.get('content-length')]).toEqual([
          200,
          'run 1',
          '5',
        ]);
        for (const name of ['x-own', 'content-type', 'etag', 'x-frame-options', 'cache-control']) {
          expect(given.headers.get(name)).toBe(first.headers.get(name));
        }
        parts.add(partOf(given));
        return [...parts].some((part) => /^pando; hit; ttl=-?\d+; detail=stale-if-error$/.test(part ?? ''));
      });
      const known = await app.get('/page', { headers: { 'if-none-match': first.headers.get('etag') ?? '' } });
      expect([known.status, await known.text()]).toEqual([304, '']);
      await app.pando.cache.invalidate(['page']);
      const failed = await app.get('/page');
      expect([failed.status, await failed.text()]).toEqual([500, 'own: other']);
      expect(failed.headers.get('x-frame-options')).toBe('DENY');
    });

    it('serves it instead of a failure to all who wait for the same', async () => {
      const gate = createGate();
      const page = counted({ ttlMs: 1, staleIfErrorMs: 60_000 }, async () => {
        if (page.runs() === 1) return {};
        await gate.opened;
        return { status: 503, body: 'away' };
      });
      await using app = await start({ routes: [page] });
      await text(app.get('/page'));
      const asked: Promise<string>[] = [];
      await waitFor(() => {
        asked.push(text(app.get('/page')));
        return page.runs() === 2;
      });
      asked.push(text(app.get('/page')), text(app.get('/page')));
      await inFlight(app, 3);
      gate.open();
      expect(new Set(await Promise.all(asked))).toEqual(new Set(['run 1']));
    });

    it('answers with what it says itself where it fails on purpose', async () => {
      const page = counted({ ttlMs: 1, staleIfErrorMs: 60_000 }, () =>
        page.runs() === 1 ? {} : { status: 404, body: 'gone' },
      );
      await using app = await start({ routes: [page] });
      await text(app.get('/page'));
      await waitFor(async () => (await app.get('/page')).status === 404);
      const { status } = await app.get('/page');
      expect(status).toBe(404); // what is no more is not served past its time either
    });

    it('has its handler asked again when it says that it must be', async () => {
      const headers = { 'cache-control': 'must-revalidate' };
      const page = counted({ ttlMs: 1, staleMs: 60_000 }, () =>
        page.runs() === 1 ? { headers } : { status: 500, body: 'away' },
      );
      await using app = await start({ routes: [page] });
      await text(app.get('/page'));
      await waitFor(async () => (await app.get('/page')).status === 500);
    });
  });
}

const inFlight = (app: RunningApp, count: number): Promise<unknown> =>
  waitFor(async () => ((await app.metric('pando_http_requests_in_flight')) ?? 0) >= count);
