import { describe, expect, it, vi } from 'vitest';
import type { Overload } from '../../../overload/index.js';
import { waitFor } from '../../wait-for.js';
import { createGate, get, type StartApp } from './app.js';
import { EventStream, type Refusal, SocketClient } from './clients.js';

/** So many at once, whatever happens; where tests run, the event loop may be late. */
const bounded = (count: number) => ({
  minConcurrency: count,
  maxConcurrency: count,
  initialConcurrency: count,
  targetLagMs: false as const,
});
const oneInReports = {
  ...bounded(10),
  groups: { reports: { minConcurrency: 1, maxConcurrency: 1, initialConcurrency: 1 } },
};

/** What an instance does that has too much to do. */
export function overloadCases(start: StartApp): void {
  describe('overload', () => {
    /** An application with one route that takes as long as the gate is shut, and one that answers at once. */
    async function busy() {
      const gate = createGate();
      let entered = 0;
      const slow = get('/slow', async () => {
        entered += 1;
        await gate.opened;
        return { body: 'done' };
      });
      const app = await start({
        kit: { overload: bounded(1) },
        routes: [slow, { ...slow, method: 'POST' }, get('/quick', () => ({ body: 'quick' }))],
        streams: [{ path: '/events', plan: () => ({ channels: ['news'] }) }],
      });
      const inFlight = () => app.pando.overload?.groups().get('default')?.inFlight;
      return { app, gate, inFlight, entered: () => entered };
    }

    it('refuses with 503, before the body is read or the handler runs, and says when to come back', async () => {
      const { app, gate, entered } = await busy();
      await using _ = app;
      const first = app.get('/slow');
      await waitFor(() => entered() === 1);
      const headers = { 'content-type': 'application/json' };
      const refused = await app.get('/slow', { method: 'POST', headers, body: '{ not JSON' });
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toMatch(/^[123]$/);
      expect(refused.headers.get('cache-control')).toBe('no-store');
      expect(refused.headers.get('content-type')).toBe('application/problem+json');
      expect(await refused.json()).toMatchObject({ status: 503, code: 'PANDO_HTTP_OVERLOADED' });
      expect(entered()).toBe(1);

      gate.open();
      expect(await (await first).text()).toBe('done');
      await waitFor(async () => (await app.get('/quick')).status === 200);
    });

    it('answers health checks and metrics all the same', async () => {
      const { app, gate, entered } = await busy();
      await using _ = app;
      const first = app.get('/slow');
      await waitFor(() => entered() === 1);
      expect((await app.get('/health/live')).status).toBe(200);
      expect((await app.get('/health/ready')).status).toBe(200);
      const exposed = await (await app.get('/metrics')).text();
      expect(exposed).toContain('pando_overload_in_flight{group="default"} 1');
      gate.open();
      await first;
    });

    it('has room again when a client leaves', async () => {
      const { app, gate, entered, inFlight } = await busy();
      await using _ = app;
      const leaving = new AbortController();
      const left = app.get('/slow', { signal: leaving.signal }).catch(() => 'left');
      await waitFor(() => entered() === 1);
      leaving.abort();
      expect(await left).toBe('left');
      await waitFor(() => inFlight() === 0);
      expect((await app.get('/quick')).status).toBe(200);
      gate.open();
    });

    it('counts no stream once it has begun', async () => {
      const { app, inFlight } = await busy();
      await using _ = app;
      using _stream = await EventStream.open(`${app.url}/events`);
      expect(inFlight()).toBe(0);
      expect((await app.get('/quick')).status).toBe(200);
    });

    it('refuses WebSockets before anybody is asked who it is, by what the adapter says of their priority', async () => {
      const gate = createGate();
      const asked: string[] = [];
      await using app = await start({
        kit: { overload: bounded(1) },
        http: { priority: ({ url }) => (url === '/ws?urgent' ? 'critical' : undefined) },
        routes: [get('/slow', () => gate.opened.then(() => ({})))],
        ws: {
          path: '/ws',
          authenticate({ url }) {
            asked.push(String(url));
            return 'ann';
          },
        },
      });
      const inFlight = () => app.pando.overload?.groups().get('default')?.inFlight;
      const first = app.get('/slow');
      await waitFor(() => inFlight() === 1);
      const refused = (await SocketClient.connect(`${app.url}/ws`)) as Refusal;
      expect([refused.status, refused.headers['content-type']]).toEqual([503, 'application/problem+json']);
      expect(refused.headers['retry-after']).toMatch(/^[123]$/);
      const counted = (priority: string, outcome: string) =>
        app.metric('pando_overload_requests_total', { group: 'default', priority, outcome });
      expect(await counted('normal', 'concurrency')).toBe(1);
      expect(asked).toEqual([]);
      gate.open();
      await first;
      await waitFor(() => inFlight() === 0);
      using urgent = await SocketClient.open(`${app.url}/ws?urgent`);
      expect([urgent.closeCode, inFlight()]).toEqual([undefined, 0]);
      expect(await counted('critical', 'admitted')).toBe(1);
    });

    it('is told of connections when they are accepted', async () => {
      const gate = createGate();
      const routes = [get('/slow', () => gate.opened.then(() => ({})))];
      await using app = await start({ kit: { overload: bounded(10) }, routes });
      const accepted = vi.spyOn(app.pando.overload as Overload, 'accepted');
      const asked = [app.get('/slow'), app.get('/slow')];
      await waitFor(() => accepted.mock.calls.length === 2);
      gate.open();
      await Promise.all(asked);
    });

    it('refuses first what matters least, and last what matters most', async () => {
      const gate = createGate();
      let entered = 0;
      const hold = async () => {
        entered += 1;
        await gate.opened;
        return {};
      };
      await using app = await start({
        kit: { overload: bounded(10) },
        http: { priority: ({ url }) => (url.startsWith('/admin') ? 'critical' : undefined) },
        routes: [
          get('/normal', hold),
          get('/admin', hold),
          get('/listing', hold, { load: { priority: 'sheddable' } }),
        ],
      });
      const held: Promise<Response>[] = [];
      const fill = async (path: string, count: number) => {
        const before = entered;
        for (let one = 0; one < count; one++) held.push(app.get(path));
        await waitFor(() => entered === before + count);
      };
      const statusOf = async (path: string) => (await app.get(path)).status;

      await fill('/listing', 5);
      expect(await statusOf('/listing')).toBe(503);
      await fill('/normal', 3);
      expect(await statusOf('/normal')).toBe(503);
      await fill('/admin', 7);
      expect(await statusOf('/admin')).toBe(503);
      gate.open();
      for (const response of await Promise.all(held)) expect(response.status).toBe(200);
    });

    it('keeps groups apart', async () => {
      const gate = createGate();
      let entered = 0;
      const hold = async () => {
        entered += 1;
        await gate.opened;
        return {};
      };
      await using app = await start({
        kit: { overload: oneInReports },
        routes: [get('/report', hold, { load: { group: 'reports' } }), get('/quick', () => ({}))],
      });
      const first = app.get('/report');
      await waitFor(() => entered === 1);
      expect((await app.get('/report')).status).toBe(503);
      expect((await app.get('/quick')).status).toBe(200);
      gate.open();
      expect((await first).status).toBe(200);
      expect((await app.get('/report')).status).toBe(200);
    });

    it('does not begin what the client does not wait for any more, and tells the rest until when it does', async () => {
      const seen: (number | undefined)[] = [];
      await using app = await start({
        kit: { overload: bounded(10) },
        routes: [
          get('/timed', () => {
            const { contexts, clock } = app.pando.kernel;
            const { deadlineAt } = contexts.current();
            seen.push(deadlineAt && deadlineAt - clock.monotonic());
            return {};
          }),
        ],
      });
      const ask = (deadline: string) => app.get('/timed', { headers: { 'x-request-deadline': deadline } });
      const late = await ask(String(Date.now() - 1));
      expect(late.status).toBe(503);
      expect(await late.json()).toMatchObject({ code: 'PANDO_HTTP_DEADLINE_EXPIRED' });
      expect((await ask(String(Date.now() + 60_000))).status).toBe(200);
      expect((await ask('nonsense')).status).toBe(200);
      expect(seen).toEqual([expect.any(Number), undefined]);
      expect(seen[0]).toBeGreaterThan(0);
      expect(seen[0]).toBeLessThanOrEqual(60_000);
    });

    it('admits everything where nothing is said of it', async () => {
      const gate = createGate();
      await using app = await start({ routes: [get('/slow', () => gate.opened.then(() => ({})))] });
      const asked = Array.from({ length: 40 }, () => app.get('/slow'));
      gate.open();
      for (const { status } of await Promise.all(asked)) expect(status).toBe(200);
    });

    it('refuses a route that belongs to a group that there is not', async () => {
      const routes = [get('/report', () => ({}), { load: { group: 'report' } })];
      const started = start({ kit: { overload: { groups: { reports: {} } } }, routes });
      await expect(started).rejects.toThrow(/reports/);
    });
  });
}
