import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { type RunningApp, type StartApp, tokenAt, tokenOf } from './app.js';
import { type CacheOptions, counted, outcomes, text } from './cached-route.js';
import type { SuiteAnswer } from './harness.js';

const kit = { limits: { policies: { two: '2/min' } } };
const signedIn = (user: string): RequestInit => ({ headers: { 'x-user': user } });
const byUser: CacheOptions['identity'] = ({ headers }) =>
  headers['x-user'] === undefined ? undefined : String(headers['x-user']);

/** Answers that are not stored, and requests that are not answered out of the cache. */
export function unstoredCases(start: StartApp): void {
  describe('a cached route', () => {
    it.each([
      ['with an Authorization header', { authorization: 'Bearer ann' }],
      ['with a cookie', { cookie: 'session=ann' }],
      ['with a cookie beside those of the kit', { cookie: 'pando.app.1=x; session=ann' }],
    ])('that says for nobody what it holds passes by requests %s', async (_, headers) => {
      const page = counted();
      await using app = await start({ routes: [page] });
      expect(await text(app.get('/page', { headers }))).toBe('run 1'); // is not stored for others
      expect(await text(app.get('/page'))).toBe('run 2');
      expect(await text(app.get('/page', { headers }))).toBe('run 3'); // is not given what others get
      expect(await text(app.get('/page'))).toBe('run 2');
      expect(await outcomes(app)).toEqual([1, 1, 2]);
    });

    it('takes the cookies of the kit for no identity', async () => {
      const page = counted();
      await using app = await start({ routes: [page] });
      await text(app.get('/page'));
      expect(await text(app.get('/page', { headers: { cookie: 'pando.app.1=x; pando.app.2=y' } }))).toBe(
        'run 1',
      );
    });

    it('gives everybody the same when it says that it is public', async () => {
      const page = counted({ identity: 'public' });
      await using app = await start({ routes: [page] });
      const first = await app.get('/page', { headers: { authorization: 'Bearer ann' } });
      expect([first.headers.get('cache-control'), await first.text()]).toEqual(['public, no-cache', 'run 1']);
      expect(await text(app.get('/page', { headers: { cookie: 'session=bob' } }))).toBe('run 1');
    });

    it('gives each their own when it says who they are, and one to all who are nobody', async () => {
      const page = counted({ identity: byUser }, ({ headers }) => ({
        body: `for ${headers['x-user'] ?? 'nobody'}`,
        headers: { 'cache-control': 'private, max-age=5' },
      }));
      await using app = await start({ routes: [page] });
      for (let n = 0; n < 2; n++) {
        expect(await text(app.get('/page', signedIn('ann')))).toBe('for ann');
        expect(await text(app.get('/page', signedIn('bob')))).toBe('for bob');
        expect(await text(app.get('/page'))).toBe('for nobody');
        expect(await text(app.get('/page', { headers: { cookie: 'theme=dark' } }))).toBe('for nobody');
      }
      expect(page.runs()).toBe(3);
      const { headers } = await app.get('/page', signedIn('ann'));
      expect(headers.get('cache-control')).toBe('private, max-age=5'); // what the application says itself stays
    });

    it.each<[string, SuiteAnswer, CacheOptions]>([
      ['that set a cookie', { headers: { 'set-cookie': 'session=1' } }, { identity: 'public' }],
      ['that say no-store', { headers: { 'cache-control': 'no-store' } }, { identity: byUser }],
      ['that say private', { headers: { 'cache-control': 'max-age=5, private' } }, { identity: 'public' }],
      ['that vary with everything', { headers: { vary: '*' } }, {}],
      ['that are event streams', { headers: { 'content-type': 'text/event-stream' } }, {}],
      ['that failed', { status: 500 }, {}],
      ['that found nothing', { status: 404 }, {}],
      ['that redirect', { status: 302, headers: { location: '/other' } }, { statuses: [200, 301] }],
      ['that exceed its bound', { body: 'x'.repeat(101) }, { maxBodyBytes: 100 }],
    ])('stores no answers %s', async (_, answer, options) => {
      const page = counted(options, () => ({ ...answer, body: answer.body ?? String(page.runs()) }));
      await using app = await start({ routes: [page] });
      for (let run = 1; run <= 3; run++) {
        const given = await app.get('/page', { redirect: 'manual' });
        expect([given.status, await given.text()]).toEqual([
          answer.status ?? 200,
          answer.body ?? String(run),
        ]);
        for (const [name, value] of Object.entries(answer.headers ?? {})) {
          expect(given.headers.get(name)).toContain(value);
        }
        expect(given.headers.has('age')).toBe(false);
      }
      expect(page.runs()).toBe(3);
    });

    it.each<[SuiteAnswer, CacheOptions]>([
      [{ status: 404, body: 'no such page' }, { statuses: [200, 404] }],
      [{ status: 301, headers: { location: '/other' }, body: '' }, { statuses: [301] }],
      [{ status: 204, body: '' }, { statuses: [204] }],
      [{ body: 'x'.repeat(100) }, { maxBodyBytes: 100 }],
    ])('stores what it is asked to: %j, %j', async (answer, options) => {
      const page = counted(options, () => answer);
      await using app = await start({ routes: [page] });
      for (let n = 0; n < 2; n++) {
        const given = await app.get('/page', { redirect: 'manual' });
        expect([given.status, await given.text()]).toEqual([answer.status ?? 200, answer.body]);
        expect(given.headers.get('location')).toBe(answer.headers?.location ?? null);
        expect(given.headers.has('age')).toBe(n > 0);
      }
      expect(page.runs()).toBe(1);
    });

    it('stores no answer of a request that has written, and tells its client what it wrote', async () => {
      let app!: RunningApp;
      const page = counted({}, () => {
        app.pando.kernel.contexts.current().wrote(tokenAt(page.runs()));
        return {};
      });
      app = await start({ routes: [page] });
      await using _ = app;
      const first = await app.get('/page');
      expect(await first.text()).toBe('run 1');
      expect(first.headers.getSetCookie().join()).toMatch(/^pando\.app\./);
      expect(tokenOf(app.pando, first)).toEqual(tokenAt(1));
      expect(await text(app.get('/page'))).toBe('run 2');
    });

    it.each([{ range: 'bytes=0-1' }, { 'if-match': '"a"' }])(
      'passes by requests with %j',
      async (headers) => {
        const page = counted();
        await using app = await start({ routes: [page] });
        await text(app.get('/page'));
        expect(await text(app.get('/page', { headers: headers as Record<string, string> }))).toBe('run 2');
        expect(await text(app.get('/page'))).toBe('run 1');
      },
    );

    it('heeds a request that wants no stored answer only where it says so', async () => {
      const headers = { 'cache-control': 'max-age=0, no-cache' };
      const runs = async (options: CacheOptions) => {
        const page = counted(options);
        await using app = await start({ routes: [page] });
        await text(app.get('/page'));
        await text(app.get('/page', { headers }));
        return page.runs();
      };
      expect([await runs({}), await runs({ heedRequest: true })]).toEqual([1, 2]);
    });

    it('heeds a request that wants none so old only where it says so', async () => {
      const runs = async (options: CacheOptions) => {
        const page = counted(options);
        await using app = await start({ routes: [page] });
        await text(app.get('/page', { headers: { 'cache-control': 'max-age=60' } }));
        await text(app.get('/page', { headers: { 'cache-control': 'max-age=60' } }));
        await waitFor(async () => {
          await text(app.get('/page', { headers: { 'cache-control': 'max-age=0' } }));
          return page.runs() > 1 || options.heedRequest !== true;
        });
        return page.runs();
      };
      expect([await runs({}), await runs({ heedRequest: true })]).toEqual([1, 2]);
    });

    it('tells apart what varies, by its options and as its answers say', async () => {
      const page = counted({ vary: ['Accept-Language'] }, ({ headers }) => ({
        body: `${headers['accept-language']}, ${headers['x-theme']}`,
        headers: { vary: 'X-Theme' },
      }));
      await using app = await start({ routes: [page] });
      const ask = async (language: string, theme: string) => {
        const given = await app.get('/page', { headers: { 'accept-language': language, 'x-theme': theme } });
        expect(given.headers.get('vary')?.toLowerCase().split(', ').sort()).toEqual([
          'accept-language',
          'x-theme',
        ]);
        return given.text();
      };
      await ask('de', 'dark'); // whereupon it is known that themes differ
      const runs = page.runs();
      for (let n = 0; n < 3; n++) {
        expect(await ask('de', 'dark')).toBe('de, dark');
        expect(await ask('de', 'light')).toBe('de, light');
        expect(await ask('en', 'dark')).toBe('en, dark');
      }
      expect(page.runs()).toBe(runs + 3);
    });

    it('tells browsers and caches between what its options say', async () => {
      const page = counted({
        identity: 'public',
        maxAgeMs: 5_000,
        sharedMaxAgeMs: 60_000,
        surrogateKey: true,
        cacheTag: true,
        tags: ['page', 'a b', 'c,d'],
      });
      await using app = await start({ routes: [page] });
      for (let n = 0; n < 2; n++) {
        const { headers } = await app.get('/page');
        expect(headers.get('cache-control')).toBe('public, max-age=5, s-maxage=60');
        expect(headers.get('surrogate-key')).toBe('page a%20b c%2Cd');
        expect(headers.get('cache-tag')).toBe('page,a%20b,c%2Cd');
      }
    });

    it('asks its limit on every request', async () => {
      const page = { ...counted(), limit: { policy: 'two' } };
      await using app = await start({ kit, routes: [page] });
      const statuses = [];
      for (let n = 0; n < 3; n++) {
        const given = await app.get('/page');
        statuses.push([given.status, given.headers.get('ratelimit')?.slice(0, 9)]);
      }
      expect(statuses).toEqual([
        [200, '"two";r=1'],
        [200, '"two";r=0'],
        [429, '"two";r=0'],
      ]);
    });
  });
}
