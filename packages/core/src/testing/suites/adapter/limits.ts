import { describe, expect, it } from 'vitest';
import { isPandoError, PandoError } from '../../../kernel/errors.js';
import { get, type StartApp } from './app.js';
import type { SuiteAnswer, SuiteRequest } from './harness.js';

const kit = { limits: { policies: { two: '2/min', stacked: ['2/s', '100/min'] } } };

/** Shapes errors as an application would that has a format of its own. */
const ownFormat = (error: unknown): SuiteAnswer => ({
  status: (error as { status?: number }).status ?? 500,
  headers: { 'content-type': 'text/plain' },
  body: `own: ${isPandoError(error) ? error.code : 'other'}`,
});

/** Limits, and the way errors take. */
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

    it('count the address of the client, which only a trusted proxy may name', async () => {
      const routes = [get('/limited', () => ({}), { limit: { policy: 'two' } })];
      const statuses = async (trustProxy: boolean) => {
        await using app = await start({ kit, routes, trustProxy });
        const from = async (ip: string) =>
          (await app.get('/limited', { headers: { 'x-forwarded-for': ip } })).status;
        return [
          await from('203.0.113.1'),
          await from('203.0.113.1'),
          await from('203.0.113.2'),
          await from('203.0.113.1'),
        ];
      };
      expect(await statuses(false)).toEqual([200, 200, 429, 429]);
      expect(await statuses(true)).toEqual([200, 200, 200, 429]);
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

  describe('errors', () => {
    const unavailable = new PandoError({ code: 'PANDO_DB_X', message: 'db1:5432 is away', status: 503 });
    const routes = [
      get('/pando', () => Promise.reject(unavailable)),
      get('/other', () => Promise.reject(new Error('boom'))),
    ];

    it('of Pando reach the error handler of the application as they are', async () => {
      const seen: unknown[] = [];
      const onError = (error: unknown): SuiteAnswer => {
        seen.push(error);
        return ownFormat(error);
      };
      await using app = await start({ routes, onError });
      const answer = await app.get('/pando');
      expect([answer.status, await answer.text()]).toEqual([503, 'own: PANDO_DB_X']);
      expect(seen).toEqual([unavailable]);
    });

    it('of Pando become problem documents that tell strangers the code alone', async () => {
      await using app = await start({ routes });
      const answer = await app.get('/pando');
      expect([answer.status, answer.headers.get('content-type')]).toEqual([503, 'application/problem+json']);
      expect(await answer.json()).toEqual({
        type: 'about:blank',
        title: 'Service Unavailable',
        status: 503,
        code: 'PANDO_DB_X',
      });
    });

    it('of others are none of our business', async () => {
      await using app = await start({ routes });
      const answer = await app.get('/other');
      expect(answer.status).toBe(500);
      expect(answer.headers.get('content-type')).not.toContain('problem');

      await using shaped = await start({ routes, onError: ownFormat });
      expect(await (await shaped.get('/other')).text()).toBe('own: other');
    });
  });
}
