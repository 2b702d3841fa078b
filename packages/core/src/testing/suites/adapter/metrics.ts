import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { parseExposition } from '../../exposition.js';
import { waitFor } from '../../wait-for.js';
import { get, type StartApp } from './app.js';

/** What is counted, and under which names. */
export function metricsCases(start: StartApp): void {
  describe('metrics', () => {
    it('are exposed in the format of Prometheus', async () => {
      await using app = await start();
      const response = await app.get('/metrics');
      expect(response.headers.get('cache-control')).toBe('no-store');
      const exposed = parseExposition(await response.text(), response.headers.get('content-type') ?? '');
      expect(exposed.get('pando_http_requests_in_flight')?.type).toBe('gauge');
    });

    it('count requests under the template of their route, never under their path', async () => {
      await using app = await start({
        routes: [
          get('/items/:id', () => ({ status: 201 })),
          get('/items/:id', () => ({}), { mount: '/api' }),
          get('/items/:id/failing', () => Promise.reject(new Error('boom')), { mount: '/tenants/:tenant' }),
        ],
      });
      for (const path of [
        '/items/101',
        '/items/102?x=1',
        '/api/items/103',
        '/tenants/acme/items/104/failing',
        '/tenants/other/items/105/failing',
        '/wp-admin/106',
        '/.env',
      ]) {
        await (await app.get(path)).text();
      }
      const counts: [route: string, status: string, times: number][] = [
        ['/items/:id', '201', 2],
        ['/api/items/:id', '200', 1],
        ['/tenants/:tenant/items/:id/failing', '500', 2],
        ['(unmatched)', '404', 2],
      ];
      for (const [route, status, times] of counts) {
        const labels = { method: 'GET', route, status };
        await waitFor(async () => (await app.metric('pando_http_requests_total', labels)) === times, {
          message: `${times} requests counted under ${route}`,
        });
      }
      const routes = (await app.pando.metrics.expose()).match(/(?<=route=")[^"]*/g);
      expect(new Set(routes)).toEqual(new Set(counts.map(([route]) => route)));
      const durations = { method: 'GET', route: '/items/:id' };
      expect(await app.metric('pando_http_request_duration_seconds_count', durations)).toBe(2);
    });

    it('count a request that its client gave up as 499, and no longer as in flight', async () => {
      await using app = await start({
        routes: [
          get('/slow', async () => {
            await once(app.pando.kernel.contexts.current().signal, 'abort');
            return {};
          }),
        ],
      });
      const inFlight = () => app.metric('pando_http_requests_in_flight');
      const client = new AbortController();
      const abandoned = app.get('/slow', { signal: client.signal });
      await waitFor(async () => (await inFlight()) === 1);
      client.abort();
      await expect(abandoned).rejects.toThrow();
      await waitFor(async () => (await inFlight()) === 0);
      const labels = { method: 'GET', route: '/slow', status: '499' };
      expect(await app.metric('pando_http_requests_total', labels)).toBe(1);
    });

    it('do not count health checks and scrapes', async () => {
      await using app = await start();
      for (const path of ['/health/live', '/health', '/metrics']) await (await app.get(path)).text();
      expect(await app.pando.metrics.expose()).not.toMatch(/pando_http_requests_total\{/);
    });

    it('name the instance on every answer', async () => {
      await using app = await start({ routes: [get('/x', () => ({}))], kit: { instanceId: 'web-7' } });
      for (const path of ['/x', '/nowhere', '/health', '/metrics']) {
        expect((await app.get(path)).headers.get('x-pando-instance')).toBe('web-7');
      }
    });
  });
}
