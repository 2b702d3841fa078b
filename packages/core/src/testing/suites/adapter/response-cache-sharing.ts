import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { createGate, type Gate, ownFormat, type RunningApp, type StartApp } from './app.js';
import { counted, outcomes, text } from './cached-route.js';

/** Sends a request; cuts the connection when told to. */
function askAndLeave(url: string, leave: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const request = httpRequest(url, { agent: false });
    request.on('error', () => resolve());
    request.end();
    void leave.then(() => request.destroy());
  });
}

/** Resolves once so many requests have come in. */
const inFlight = (app: RunningApp, count: number): Promise<unknown> =>
  waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === count, {
    message: `${count} requests in flight`,
  });

/** Requests that ask for the same at the same time. */
export function sharedAnswerCases(start: StartApp): void {
  describe('a cached route that several ask at once', () => {
    it('runs its handler once for all of them', async () => {
      const gate = createGate();
      const page = counted({}, async () => {
        await gate.opened;
        return { headers: { 'x-own': 'yes' } };
      });
      await using app = await start({ routes: [page] });
      const answers = Array.from({ length: 8 }, () => app.get('/page'));
      await inFlight(app, 8);
      gate.open();
      for (const answer of await Promise.all(answers)) {
        expect([answer.headers.get('x-own'), await answer.text()]).toEqual(['yes', 'run 1']);
      }
      expect(await outcomes(app)).toEqual([7, 1, 0]);
    });

    it('lets each run it when the answer is not for sharing, and nobody wait for that again', async () => {
      const gates: Gate[] = [createGate(), createGate(), createGate(), createGate(), createGate()];
      const page = counted({}, async () => {
        const run = page.runs();
        await gates[run - 1]?.opened;
        return { headers: { 'set-cookie': `visitor=${run}` } };
      });
      await using app = await start({ routes: [page] });
      const cookies = async (answers: readonly Promise<Response>[]) =>
        (await Promise.all(answers)).map(({ headers }) => headers.get('set-cookie')).sort();

      const first = [app.get('/page'), app.get('/page'), app.get('/page')];
      await inFlight(app, 3);
      await waitFor(() => page.runs() > 0);
      expect(page.runs()).toBe(1);
      for (const gate of gates.slice(0, 3)) gate.open();
      expect(await cookies(first)).toEqual(['visitor=1', 'visitor=2', 'visitor=3']);

      const second = [app.get('/page'), app.get('/page')];
      await waitFor(() => page.runs() === 5, { message: 'both handlers at work at once' });
      for (const gate of gates) gate.open();
      expect(await cookies(second)).toEqual(['visitor=4', 'visitor=5']);
    });

    it('lets them wait for one again as soon as its answer is for sharing', async () => {
      const page = counted({}, () => (page.runs() <= 2 ? { headers: { 'set-cookie': 'a=1' } } : {}));
      await using app = await start({ routes: [page] });
      const bodies = [];
      for (let n = 0; n < 5; n++) bodies.push(await text(app.get('/page')));
      // Not stored, run beside the cache, seen to be for sharing, stored, found.
      expect(bodies).toEqual(['run 1', 'run 2', 'run 3', 'run 4', 'run 4']);
    });

    it('gives each the error through the error handling of the application', async () => {
      const gate = createGate();
      const page = counted({}, async () => {
        await gate.opened;
        throw new Error('boom');
      });
      const seen: unknown[] = [];
      await using app = await start({
        routes: [page],
        onError: (error) => {
          seen.push((error as Error).message);
          return ownFormat(error);
        },
      });
      const answers = [app.get('/page'), app.get('/page'), app.get('/page')];
      await inFlight(app, 3);
      gate.open();
      for (const answer of await Promise.all(answers)) {
        expect([answer.status, await answer.text()]).toEqual([500, 'own: other']);
      }
      expect(seen).toEqual(['boom', 'boom', 'boom']);
    });

    it('runs it for another when the client for whom it ran goes away', async () => {
      const [leave, gate] = [createGate(), createGate()];
      const aborted = createGate();
      let app!: RunningApp;
      const page = counted({}, async () => {
        if (page.runs() > 1) return {};
        app.pando.kernel.contexts.current().signal.addEventListener('abort', aborted.open);
        await gate.opened;
        return { body: 'for nobody' };
      });
      app = await start({ routes: [page] });
      await using _ = app;
      const left = askAndLeave(`${app.url}/page`, leave.opened);
      await waitFor(() => page.runs() === 1);
      const others = [app.get('/page'), app.get('/page')];
      await inFlight(app, 3);
      leave.open();
      await left;
      await aborted.opened; // the handler is told, as it would be without a cache
      expect(await Promise.all(others.map(text))).toEqual(['run 2', 'run 2']);
      gate.open();
      expect(await text(app.get('/page'))).toBe('run 2'); // what came after its client was gone is not stored
    });

    it('goes on when one of those who wait goes away', async () => {
      const [leave, gate] = [createGate(), createGate()];
      const page = counted({}, async () => {
        await gate.opened;
        return {};
      });
      await using app = await start({ routes: [page] });
      const answer = app.get('/page');
      await waitFor(() => page.runs() === 1);
      const left = askAndLeave(`${app.url}/page`, leave.opened);
      await inFlight(app, 2);
      leave.open();
      await left;
      await inFlight(app, 1);
      gate.open();
      expect(await text(answer)).toBe('run 1');
      expect(await text(app.get('/page'))).toBe('run 1');
    });
  });
}
