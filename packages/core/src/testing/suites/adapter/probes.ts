import { describe, expect, it } from 'vitest';
import { parseExposition } from '../../exposition.js';
import { waitFor } from '../../wait-for.js';
import { get, type StartApp } from './app.js';

/** Health answers, metrics, and what requests are counted under. */
export function probeCases(start: StartApp): void {
  describe('health', () => {
    it('answers at its places, fresh and in JSON', async () => {
      await using app = await start({ kit: { health: { version: '1.2.3' } } });
      for (const path of [
        '/health/live',
        '/health/ready',
        '/health',
        '/api/v1/health',
        '/health?verbose=1',
      ]) {
        const response = await app.get(path);
        expect([path, response.status]).toEqual([path, 200]);
        expect(response.headers.get('content-type')).toContain('application/json');
        expect(response.headers.get('cache-control')).toBe('no-store');
        expect(response.headers.get('x-pando-instance')).toBe(app.pando.instanceId);
        expect(await response.json()).toMatchObject({ status: 'healthy', version: '1.2.3' });
      }
    });

    it('answers HEAD with the same head', async () => {
      await using app = await start();
      const response = await app.get('/health/ready', { method: 'HEAD' });
      expect([response.status, await response.text()]).toEqual([200, '']);
      expect(Number(response.headers.get('content-length'))).toBeGreaterThan(0);
    });

    it('says 503 for a critical component that fails, and names it', async () => {
      let failing = true;
      const check = {
        name: 'disk',
        critical: true,
        intervalMs: 20,
        run: async () => ({ status: failing ? ('unhealthy' as const) : ('healthy' as const) }),
      };
      await using app = await start({ kit: { health: { checks: [check], failAfter: 1, passAfter: 1 } } });
      await waitFor(async () => (await app.get('/health')).status === 503);
      const response = await app.get('/health');
      expect(await response.json()).toMatchObject({ status: 'unhealthy', components: { disk: 'unhealthy' } });
      expect((await app.get('/health/live')).status).toBe(200);
      failing = false;
      await waitFor(async () => (await app.get('/health')).status === 200);
    });

    it('says not ready while the instance drains, and goes on living', async () => {
      await using app = await start({ kit: { lifecycle: { readinessDelayMs: 60_000, totalMs: 120_000 } } });
      expect((await app.get('/health/ready')).status).toBe(200);
      void app.pando.lifecycle.shutdown('test');
      expect((await app.get('/health/ready')).status).toBe(503);
      expect((await app.get('/health/live')).status).toBe(200);
    });

    it('can be moved, or left out', async () => {
      const http = { health: { live: '/livez' }, metrics: false } as const;
      await using app = await start({ http });
      expect((await app.get('/livez')).status).toBe(200);
      expect((await app.get('/health/live')).status).toBe(404);
      expect((await app.get('/metrics')).status).toBe(404);
    });
  });

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
      const ask = async (path: string, init?: RequestInit) => (await app.get(path, init)).text();
      await ask('/items/101');
      await ask('/items/102?x=1');
      await ask('/api/items/103');
      await ask('/tenants/acme/items/104/failing');
      await ask('/tenants/other/items/105/failing');
      await ask('/wp-admin/106');
      await ask('/.env');

      const count = (route: string, status: string, method = 'GET') =>
        app.metric('pando_http_requests_total', { method, route, status });
      await waitFor(async () => (await count('(unmatched)', '404')) === 2);
      expect(await count('/items/:id', '201')).toBe(2);
      expect(await count('/api/items/:id', '200')).toBe(1);
      expect(await count('/tenants/:tenant/items/:id/failing', '500')).toBe(2);
      const routes = (await app.pando.metrics.expose()).match(/(?<=route=")[^"]*/g);
      const templates = ['/items/:id', '/api/items/:id', '/tenants/:tenant/items/:id/failing', '(unmatched)'];
      expect(new Set(routes)).toEqual(new Set(templates));
      const durations = { method: 'GET', route: '/items/:id' };
      expect(await app.metric('pando_http_request_duration_seconds_count', durations)).toBe(2);
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
