import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { get, ownFormat, quiet, type StartApp } from './app.js';
import { SocketClient } from './clients.js';
import type { SuiteRequest } from './harness.js';

const plans = { tiers: { free: '2/min', premium: '4/min', enterprise: false } } as const;
const kit = { limits: { policies: { two: '2/min', stacked: ['2/s', '100/min'], plans } } };

/** Limits. */
export function limitCases(start: StartApp): void {
  describe('limits', () => {
    it('tell what is left, then refuse with 429 before the handler runs', async () => {
      let calls = 0;
      const limited = get('/limited', () => ({ body: String(++calls) }), { limit: { policy: 'two' } });
      await using app = await start({ kit, routes: [limited] });

      const first = await app.get('/limited');
      expect(first.status).toBe(200);
      expect(first.headers.get('ratelimit-policy')).toBe('"two";q=2;w=60');
      expect(first.headers.get('ratelimit')).toMatch(/^"two";r=1;t=([1-9]|[1-5]\d|60)$/);
      await app.get('/limited');

      const refused = await app.get('/limited');
      expect(refused.status).toBe(429);
      expect(refused.headers.get('ratelimit')).toMatch(/^"two";r=0;t=\d+$/);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(refused.headers.get('cache-control')).toBe('no-store');
      expect(calls).toBe(2);
    });

    it('refuse with a problem document where the application shapes no errors', async () => {
      await using app = await start({
        kit,
        routes: [get('/limited', () => ({}), { limit: { policy: 'two' } })],
      });
      await app.get('/limited');
      await app.get('/limited');
      const refused = await app.get('/limited');
      expect(refused.headers.get('content-type')).toBe('application/problem+json');
      expect(await refused.json()).toMatchObject({
        status: 429,
        title: 'Too Many Requests',
        code: 'PANDO_HTTP_LIMIT_EXCEEDED',
        'violated-policies': ['two'],
      });
    });

    it("refuse through the application's own error handler where there is one", async () => {
      const routes = [get('/limited', () => ({}), { limit: { policy: 'two' } })];
      await using app = await start({ kit, routes, onError: ownFormat });
      await app.get('/limited');
      await app.get('/limited');
      const refused = await app.get('/limited');
      expect([refused.status, await refused.text()]).toEqual([429, 'own: PANDO_HTTP_LIMIT_EXCEEDED']);
      expect(refused.headers.has('retry-after')).toBe(true);
    });

    it('count each key apart', async () => {
      const byUser = ({ headers }: SuiteRequest) => String(headers['x-user']);
      const limit = { policy: 'two', key: byUser };
      await using app = await start({ kit, routes: [get('/limited', () => ({}), { limit })] });
      const statusFor = async (user: string) =>
        (await app.get('/limited', { headers: { 'x-user': user } })).status;
      expect([await statusFor('ann'), await statusFor('ann'), await statusFor('ann')]).toEqual([
        200, 200, 429,
      ]);
      expect(await statusFor('bob')).toBe(200);
    });

    it('refuse who is banned, by the key or by the address, and say no more', async () => {
      let handled = 0;
      const byUser = ({ headers }: SuiteRequest) => headers['x-user'] as string | undefined;
      const limit = { policy: 'two', key: byUser };
      await using app = await start({
        kit,
        routes: [get('/limited', () => ({ body: String(++handled) }), { limit })],
      });
      const as = (user: string) => app.get('/limited', { headers: { 'x-user': user } });
      await app.pando.limits.ban('ann');
      const refused = await as('ann');
      expect(refused.status).toBe(403);
      expect(refused.headers.get('cache-control')).toBe('no-store');
      expect(['ratelimit', 'retry-after'].filter((name) => refused.headers.has(name))).toEqual([]);
      expect(await refused.json()).toMatchObject({ status: 403, code: 'PANDO_HTTP_BANNED' });
      expect([(await as('bob')).status, handled]).toEqual([200, 1]);
      await app.pando.limits.ban('127.0.0.0/8');
      expect([(await as('bob')).status, handled]).toEqual([403, 1]);
      await app.pando.limits.unban('127.0.0.0/8');
      expect([(await as('bob')).status, handled]).toEqual([200, 2]);
    });

    it('let nobody in from a banned address: not to routes without a limit, streams or sockets', async () => {
      await using app = await start({
        kit,
        routes: [get('/free', () => ({ body: 'ok' }))],
        streams: [{ path: '/events', plan: () => ({ channels: ['posts'] }) }],
        ws: { path: '/ws', authorize: () => true },
      });
      await app.pando.limits.ban('127.0.0.1', { reason: 'scrapes' });
      for (const path of ['/free', '/events']) {
        const refused = await app.get(path);
        expect([path, refused.status]).toEqual([path, 403]);
        expect(await refused.json()).toMatchObject({ code: 'PANDO_HTTP_BANNED' });
      }
      expect(await SocketClient.connect(`${app.url}/ws`)).toMatchObject({ status: 403 });
      expect(await app.metric('pando_http_banned_total')).toBe(3);
      expect((await app.get('/health/live')).status).toBe(200);
      await app.pando.limits.unban('127.0.0.1');
      expect((await app.get('/free')).status).toBe(200);
    });

    it('let in who stands on the allow list of all policies, banned or not', async () => {
      await using app = await start({
        kit: { limits: { allow: ['127.0.0.1'] } },
        routes: [get('/free', () => ({}))],
      });
      await app.pando.limits.ban('127.0.0.0/8');
      expect((await app.get('/free')).status).toBe(200);
    });

    it('keep the headers of middleware on refusals: pages of other origins may read them', async () => {
      const before = { 'access-control-allow-origin': '*', vary: 'Origin' };
      const limited = get('/limited', () => ({}), { limit: { policy: 'two' } });
      await using app = await start({ kit, routes: [limited], before });
      for (let call = 0; call < 2; call++) await app.get('/limited');
      const refused = await app.get('/limited');
      expect(refused.status).toBe(429);
      expect(refused.headers.get('access-control-allow-origin')).toBe('*');
      expect(refused.headers.get('access-control-expose-headers')).toContain('ratelimit');
      expect(refused.headers.get('x-pando-instance')).toBe(app.pando.instanceId);
      const counted = { method: 'GET', route: '/limited', status: '429' };
      await waitFor(async () => (await app.metric('pando_http_requests_total', counted)) === 1);
    });

    it('ask each request for its key, cost and tier, and take along what was spent when the plan changes', async () => {
      const limit = {
        policy: 'plans',
        key: async ({ headers }: SuiteRequest) => ({ user: String(headers['x-user']) }),
        tier: async ({ headers }: SuiteRequest) => headers['x-plan']?.toString(),
        cost: ({ headers }: SuiteRequest) => Number(headers['x-cost'] ?? 1),
      };
      await using app = await start({ kit, routes: [get('/limited', () => ({}), { limit })] });
      const ask = async (user: string, plan?: string, cost = 1) => {
        const headers = { 'x-user': user, 'x-cost': String(cost), ...(plan && { 'x-plan': plan }) };
        const { status, headers: answered } = await app.get('/limited', { headers });
        return [status, answered.get('ratelimit')?.split(';t=')[0]];
      };
      expect(await ask('ann', undefined, 2)).toEqual([200, '"plans-free";r=0']);
      expect(await ask('ann')).toEqual([429, '"plans-free";r=0']);
      expect(await ask('ann', 'premium')).toEqual([200, '"plans-premium";r=1']);
      expect(await ask('ann', 'enterprise', 100)).toEqual([200, undefined]);
      expect(await ask('bob', 'free')).toEqual([200, '"plans-free";r=1']);
    });

    it('count what they can when they cannot ask a request', async () => {
      const limit = {
        policy: 'plans',
        key: () => Promise.reject(new Error('no database')),
        tier: () => 'gold',
        cost: () => Number.NaN,
      };
      const routes = [get('/limited', () => ({}), { limit })];
      await using app = await start({ kit: { ...kit, logger: quiet }, routes });
      const statuses = [];
      for (let request = 0; request < 3; request++) statuses.push((await app.get('/limited')).status);
      expect(statuses).toEqual([200, 200, 429]);
    });

    it('count nobody on the allow list, and refuse nobody in a shadow', async () => {
      const policies = {
        allowed: { windows: '1/min', allow: ['127.0.0.0/8', '::1'] },
        shadow: { windows: '1/min', shadow: true },
      };
      const routes = ['allowed', 'shadow'].map((policy) =>
        get(`/${policy}`, () => ({}), { limit: { policy } }),
      );
      await using app = await start({ kit: { limits: { policies } }, routes });
      for (const path of ['/allowed', '/allowed', '/shadow', '/shadow']) {
        const { status, headers } = await app.get(path);
        expect([path, status, headers.has('ratelimit')]).toEqual([path, 200, false]);
      }
      const shadowed = { policy: 'shadow', outcome: 'shadowed', source: 'memory' };
      expect(await app.metric('pando_limits_decisions_total', shadowed)).toBe(1);
    });

    it('tell in the older headers where the application wants those, on other origins, too', async () => {
      const routes = [get('/limited', () => ({}), { limit: { policy: 'two' } })];
      const before = { 'access-control-allow-origin': '*' };
      await using app = await start({ kit, routes, before, http: { limitHeaders: 'legacy' } });
      const { headers } = await app.get('/limited');
      expect(headers.get('x-ratelimit-limit')).toBe('2');
      expect(headers.get('x-ratelimit-remaining')).toBe('1');
      expect(Number(headers.get('x-ratelimit-reset')) * 1_000).toBeGreaterThan(Date.now());
      expect(headers.has('ratelimit')).toBe(false);
      expect(headers.get('access-control-expose-headers')).toContain('x-ratelimit-remaining');
    });

    it('say what they do while their store is away: refuse, let pass, or count alone', async () => {
      const away = {
        redis: { url: 'redis://127.0.0.1:1', startTimeoutMs: 1 }, // nobody listens there
        limits: {
          policies: {
            closed: { windows: '2/min', onUnavailable: 'closed' },
            open: { windows: '2/min', onUnavailable: 'open' },
            local: { windows: '2/min', onUnavailable: 'local' },
          },
        },
        logger: quiet,
      } as const;
      const policies = ['closed', 'open', 'local'] as const;
      const routes = policies.map((policy) => get(`/${policy}`, () => ({}), { limit: { policy } }));
      await using app = await start({ kit: away, routes });
      const statuses = async (policy: (typeof policies)[number]) => {
        const asked = [];
        for (let request = 0; request < 3; request++) asked.push((await app.get(`/${policy}`)).status);
        return asked;
      };
      expect(await statuses('closed')).toEqual([503, 503, 503]);
      expect(await statuses('open')).toEqual([200, 200, 200]);
      expect(await statuses('local')).toEqual([200, 200, 429]);
      const refused = await app.get('/closed');
      expect([refused.headers.has('retry-after'), refused.headers.has('ratelimit')]).toEqual([true, false]);
      expect(await refused.json()).toMatchObject({ code: 'PANDO_HTTP_LIMIT_UNAVAILABLE' });
    });

    it('of several windows name the one that is nearest to its end', async () => {
      await using app = await start({
        kit,
        routes: [get('/limited', () => ({}), { limit: { policy: 'stacked' } })],
      });
      const { headers } = await app.get('/limited');
      expect(headers.get('ratelimit-policy')).toBe('"stacked-1";q=2;w=1, "stacked-2";q=100;w=60');
      expect(headers.get('ratelimit')).toBe('"stacked-1";r=1;t=1');
    });

    it('are refused at once when there is no such policy', async () => {
      const started = start({ kit, routes: [get('/limited', () => ({}), { limit: { policy: 'tow' } })] });
      await expect(started).rejects.toThrow(/tow.*two/s);
    });
  });
}
