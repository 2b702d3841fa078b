import { describe, expect, it } from 'vitest';
import type { HttpOptions } from '../../../http/index.js';
import type { Lifecycle } from '../../../lifecycle/index.js';
import type { Pando } from '../../../pando.js';
import { waitFor } from '../../wait-for.js';
import { get, quiet, type StartApp } from './app.js';

/** Health answers. */
export function healthCases(start: StartApp): void {
  describe('health', () => {
    it('answers at its places, fresh and in JSON', async () => {
      await using app = await start({ kit: { health: { version: '1.2.3' } } });
      for (const path of [
        '/health/live',
        '/health/ready',
        '/health/startup',
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

    it('says not ready until the application is, and lives from the start', async () => {
      // A kit that is not told that the server listens.
      const rewire = (pando: Pando): Pando => {
        const { state, draining } = pando.lifecycle;
        const register: Lifecycle['register'] = (hook) => pando.lifecycle.register(hook);
        const lifecycle = { state, draining, register, ready: () => undefined };
        return { ...pando, lifecycle: lifecycle as unknown as Lifecycle };
      };
      await using app = await start({ rewire });
      const codes = async () => [
        (await app.get('/health/live')).status,
        (await app.get('/health/startup')).status,
        (await app.get('/health/ready')).status,
      ];
      expect(await codes()).toEqual([200, 503, 503]);
      app.pando.lifecycle.ready();
      expect(await codes()).toEqual([200, 200, 200]);
    });

    it('answers for each group of components', async () => {
      const mailer = { name: 'mailer', critical: false, run: async () => ({ status: 'unhealthy' as const }) };
      const disk = { name: 'disk', critical: true, run: async () => ({ status: 'healthy' as const }) };
      const groups = { mail: ['mailer'], files: ['disk'] };
      await using app = await start({ kit: { health: { checks: [mailer, disk], groups } } });
      const mail = await app.get('/health/mail');
      expect([mail.status, await mail.json()]).toMatchObject([503, { components: { mailer: 'unhealthy' } }]);
      const files = await app.get('/health/files', { method: 'HEAD' });
      expect([files.status, files.headers.get('cache-control')]).toEqual([200, 'no-store']);
      expect((await app.get('/health/others')).status).toBe(404);
    });

    it('tells details to whom the application trusts, and nobody else', async () => {
      const disk = {
        name: 'disk',
        critical: true,
        run: async () => Promise.reject(new Error('no /dev/sda1')),
      };
      const http: HttpOptions = {
        health: {
          details: ({ headers }) => {
            if (headers.authorization === undefined) throw new Error('nobody');
            return headers.authorization === 'Bearer sesame';
          },
        },
      };
      await using app = await start({ http, kit: { logger: quiet, health: { checks: [disk] } } });
      for (const path of ['/health', '/health/ready']) {
        const told = async (headers: Record<string, string>) => (await app.get(path, { headers })).text();
        expect(await told({ authorization: 'Bearer sesame' })).toContain('/dev/sda1');
        expect(await told({ authorization: 'Bearer guess' })).not.toContain('sda1');
        expect(await told({})).not.toContain('sda1');
      }
    });

    it('speaks health+json where that is asked for', async () => {
      const disk = { name: 'disk', critical: false, run: async () => Promise.reject(new Error('full')) };
      await using app = await start({
        http: { health: { format: 'health+json', details: 'always' } },
        kit: { logger: quiet, health: { version: '1.2.3', checks: [disk], groups: { files: ['disk'] } } },
      });
      const response = await app.get('/health/files');
      expect(response.status).toBe(503);
      expect(response.headers.get('content-type')).toBe('application/health+json');
      expect(await response.json()).toEqual({
        status: 'fail',
        releaseId: '1.2.3',
        checks: {
          disk: [
            {
              status: 'fail',
              time: expect.any(String),
              observedValue: expect.any(Number),
              observedUnit: 'ms',
              output: 'full',
            },
          ],
        },
      });
    });

    it('does not wait for a check that hangs', async () => {
      const hung = {
        name: 'hung',
        critical: true,
        intervalMs: 50,
        timeoutMs: 50,
        run: () => new Promise<never>(() => undefined),
      };
      await using app = await start({
        kit: { logger: quiet, health: { checks: [hung], timeoutMs: 60_000 } },
      });
      const response = await app.get('/health/ready');
      expect([response.status, await response.json()]).toMatchObject([
        503,
        { components: { hung: 'unhealthy' } },
      ]);
      expect((await app.get('/health/live')).status).toBe(200);
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

    it('is neither limited nor logged', async () => {
      const logged: string[] = [];
      const kit = { limits: { policies: { one: '1/min' } } };
      const limited = get('/limited', () => ({}), { limit: { policy: 'one' } });
      await using app = await start({ kit, routes: [limited], accessLog: (url) => logged.push(url) });
      await app.get('/limited');
      expect((await app.get('/limited')).status).toBe(429);
      for (const path of ['/health/live', '/health/ready', '/health/startup', '/health', '/metrics']) {
        const response = await app.get(path);
        expect([path, response.status, response.headers.has('ratelimit')]).toEqual([path, 200, false]);
        await response.text();
      }
      await app.serving.close();
      await waitFor(() => logged.length >= 2);
      expect(logged).toEqual(['/limited', '/limited']);
    });

    it('can be moved, or left out', async () => {
      const http = { health: { live: '/livez' }, metrics: false } as const;
      await using app = await start({ http });
      expect((await app.get('/livez')).status).toBe(200);
      expect((await app.get('/health/live')).status).toBe(404);
      expect((await app.get('/metrics')).status).toBe(404);
    });
  });
}
