import { execFile } from 'node:child_process';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { createGate, get, type RunningApp, type StartApp, starter } from './app.js';
import { EventStream, SocketClient } from './clients.js';
import type { AdapterHarness } from './harness.js';

const streams = [{ path: '/events', plan: () => ({ channels: ['news'] }) }];
const ws = { path: '/ws', authorize: () => true };

/** Asks on a connection that the agent keeps. */
function ask(url: string, agent: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent }, (response) => {
      response.resume().on('end', () => resolve(response));
    });
    request.on('error', reject).end();
  });
}

/** Whether somebody accepts connections there. */
function accepts({ serving }: RunningApp): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(serving.port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** Runs a program of Node; one that does not end by itself is killed. */
function runToItsEnd(
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { timeout: 20_000 }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, output: stdout + stderr });
    });
  });
}

/** The end. */
export function shutdownCases(start: StartApp, harness: AdapterHarness): void {
  const { program } = harness;

  describe('shutdown', () => {
    it('of a server ends with a stream and a socket open, and tells both to come back', async () => {
      await using app = await start({ streams, ws, closeTimeoutMs: 5_000 });
      using stream = await EventStream.open(`${app.url}/events`);
      using socket = await SocketClient.open(`${app.url}/ws`);
      await waitFor(() => app.pando.realtime.connections === 2);
      const beganAt = performance.now();
      await app.serving.close();
      expect(performance.now() - beganAt).toBeLessThan(5_000);
      await waitFor(() => stream.ended, { message: 'an orderly end of the stream' });
      expect(await socket.closed()).toBe(1012);
      expect(app.pando.realtime.connections).toBe(0);
      expect(await accepts(app)).toBe(false);
    });

    it('of a server cuts at its deadline what does not end by itself', async () => {
      const aborted = createGate();
      await using app = await start({
        ws,
        closeTimeoutMs: 200,
        routes: [
          get('/endless', async () => {
            app.pando.kernel.contexts.current().signal.addEventListener('abort', aborted.open);
            await aborted.opened;
            return {};
          }),
        ],
      });
      using frozen = await SocketClient.open(`${app.url}/ws`);
      frozen.freeze();
      const endless = app.get('/endless');
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 1);
      const beganAt = performance.now();
      await Promise.all([app.serving.close(), expect(endless).rejects.toThrow()]);
      expect(performance.now() - beganAt).toBeGreaterThanOrEqual(195);
      await aborted.opened; // the handler was told
    });

    it('lets a request in flight finish, and closes its connection', async () => {
      const [arrived, finish] = [createGate(), createGate()];
      await using app = await start({
        routes: [
          get('/slow', async () => {
            arrived.open();
            await finish.opened;
            return { body: 'whole' };
          }),
        ],
      });
      const answer = app.get('/slow');
      await arrived.opened;
      const closing = app.serving.close();
      await waitFor(async () => !(await accepts(app)));
      finish.open();
      const response = await answer;
      expect([response.status, await response.text()]).toEqual([200, 'whole']);
      await closing;
    });

    it('opens no stream and no socket that was asked for before it began', async () => {
      const decided = createGate();
      let asked = 0;
      const decide = async <T>(decision: T): Promise<T> => {
        asked++;
        await decided.opened;
        return decision;
      };
      await using app = await start({
        streams: [{ path: '/events', plan: () => decide({ channels: ['news'] }) }],
        ws: { path: '/ws', authenticate: () => decide('somebody') },
        closeTimeoutMs: 5_000,
      });
      const stream = app.get('/events');
      const socket = SocketClient.connect(`${app.url}/ws`);
      await waitFor(() => asked === 2);
      const beganAt = performance.now();
      const closing = app.serving.close();
      decided.open();
      expect(await stream).toMatchObject({ status: 503 });
      expect(await socket).toMatchObject({ status: 503 });
      await closing;
      expect(performance.now() - beganAt).toBeLessThan(5_000);
    });

    it('does not wait for idle connections', async () => {
      await using app = await start({ routes: [get('/x', () => ({}))], closeTimeoutMs: 5_000 });
      const agent = new Agent({ keepAlive: true });
      await ask(`${app.url}/x`, agent);
      const beganAt = performance.now();
      await app.serving.close();
      expect(performance.now() - beganAt).toBeLessThan(4_000);
      agent.destroy();
    });

    it('of the kit goes on serving until the balancer knows, but takes no new streams', async () => {
      await using app = await start({
        streams,
        ws,
        routes: [get('/x', () => ({}))],
        kit: { lifecycle: { readinessDelayMs: 60_000, totalMs: 120_000 } },
      });
      const agent = new Agent({ keepAlive: true });
      expect((await ask(`${app.url}/x`, agent)).headers.connection).toBe('keep-alive');
      void app.pando.lifecycle.shutdown('test');

      const kept = await ask(`${app.url}/x`, agent);
      expect([kept.statusCode, kept.headers.connection]).toEqual([200, 'close']);
      const refused = await app.get('/events');
      expect([refused.status, refused.headers.get('connection'), refused.headers.has('retry-after')]).toEqual(
        [503, 'close', true],
      );
      // A browser's EventSource would give up for good on a 503: it is told to come back in its own words.
      const browser = await app.get('/events', { headers: { accept: 'text/event-stream' } });
      expect([browser.status, browser.headers.get('content-type')]).toEqual([
        200,
        'text/event-stream; charset=utf-8',
      ]);
      expect(await browser.text()).toMatch(/^retry: [1-5]\d{3}\n\n$/);
      const handshake = await SocketClient.connect(`${app.url}/ws`);
      expect(handshake).toMatchObject({ status: 503, headers: { 'retry-after': expect.anything() } });
      agent.destroy();
      await app.pando.close();
      expect(await accepts(app)).toBe(false);
    });

    it('of the kit ends the server, its streams and its sockets', async () => {
      const [arrived, finish] = [createGate(), createGate()];
      await using app = await start({
        streams,
        ws,
        routes: [
          get('/slow', async () => {
            arrived.open();
            await finish.opened;
            return { body: 'whole' };
          }),
        ],
      });
      using stream = await EventStream.open(`${app.url}/events`);
      using socket = await SocketClient.open(`${app.url}/ws`);
      const answer = app.get('/slow');
      await arrived.opened;
      const shutdown = app.pando.lifecycle.shutdown('test');
      await waitFor(() => stream.ended);
      expect(await socket.closed()).toBe(1012);
      finish.open();
      expect(await (await answer).text()).toBe('whole');
      expect(await shutdown).toMatchObject({ clean: true });
      expect(await accepts(app)).toBe(false);
    });

    it('of the kit cuts a request that nobody answers, and names it', async () => {
      const aborted = createGate();
      await using app = await start({
        kit: { lifecycle: { requestsMs: 100 } },
        routes: [
          get('/endless', async () => {
            app.pando.kernel.contexts.current().signal.addEventListener('abort', aborted.open);
            await aborted.opened;
            return {};
          }),
        ],
      });
      const endless = app.get('/endless?secret=1');
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 1);
      const [report] = await Promise.all([
        app.pando.lifecycle.shutdown('test'),
        expect(endless).rejects.toThrow(),
      ]);
      expect(report).toMatchObject({
        clean: false,
        failed: [
          {
            name: 'http: requests',
            cause: { code: 'PANDO_HTTP_REQUESTS_CUT', message: expect.stringContaining(': GET /endless.') },
          },
        ],
      });
    });

    it('happens once, however often it is asked for', async () => {
      const app = await start();
      const first = app.serving.close();
      await Promise.all([first, app.serving.close()]);
      await app.serving.close();
      await app.pando.close();
      await app.pando.close();
      await app.serving.close();
    });

    if (program !== undefined) {
      it('lets the process end by itself', async () => {
        const { code, output } = await runToItsEnd(await program());
        expect([code, output]).toEqual([0, 'served once\n']);
      });
    }
  });

  describe('listening', () => {
    it('makes the instance ready', async () => {
      await using app = await start();
      expect(app.pando.lifecycle.state).toBe('ready');
    });

    it('keeps idle connections longer than the balancer does', async () => {
      await using app = await start({ http: { balancerIdleMs: 100_000 } });
      expect(app.serving.server).toMatchObject({ keepAliveTimeout: 105_000 });
    });

    it('says in one line what to do when the port is in use', async () => {
      await using first = await start();
      const second = starter(harness, first.serving.port)();
      await expect(second).rejects.toMatchObject({
        code: 'PANDO_HTTP_PORT_IN_USE',
        message: expect.stringMatching(
          new RegExp(`^Cannot listen: port ${first.serving.port} of 127\\.0\\.0\\.1 is in use\\.[^\\n]*$`),
        ),
      });
      expect((await first.get('/health/live')).status).toBe(200);
    });
  });
}
