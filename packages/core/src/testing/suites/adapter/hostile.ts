import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../wait-for.js';
import { get, type StartApp } from './app.js';
import { talk } from './clients.js';

/** Says what it is told to, then a byte at a time until it is cut. */
class Drip implements Disposable {
  text = '';
  closed = false;
  readonly #socket: Socket;
  readonly #drops: NodeJS.Timeout;

  constructor(port: number, start: string) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setEncoding('latin1').on('data', (chunk: string) => {
      this.text += chunk;
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.closed = true;
      clearInterval(this.#drops);
    });
    this.#socket.write(start);
    this.#drops = setInterval(() => this.#socket.write('x'), 20);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#drops);
    this.#socket.destroy();
  }
}

const http = { slowClients: { headersMs: 300, requestMs: 600 } };
const head = 'POST /up HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
const slowHead = `${head}X-Slow: `;
const slowBody = `${head}Content-Length: 100000\r\n\r\n"`;
const endlessBody = `${head}Transfer-Encoding: chunked\r\n\r\nffff\r\n"`;

/** A client that still sends when the connection ends may lose what was answered. */
const cut = /^(?:HTTP\/1\.1 408 |$)/;

/** Clients that mean harm, on real sockets. */
export function hostileCases(start: StartApp): void {
  describe('hostile clients', () => {
    const routes = [
      get('/fine', () => ({ body: 'fine' })),
      get('/up', () => ({ body: 'up' }), { method: 'POST' }),
    ];

    it('that send a head or a body a byte at a time are cut, and nothing of them stays', async () => {
      await using app = await start({ http, routes });
      const { port } = app.serving;
      for (const slow of [slowHead, slowBody, endlessBody]) {
        using drip = new Drip(port, slow);
        await waitFor(() => drip.closed, { message: 'the end of a slow client' });
        expect(drip.text).toMatch(cut);
      }
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 0);
    });

    it('by the hundred keep nobody else from being served', async () => {
      await using app = await start({ http, routes });
      const { port } = app.serving;
      const drips = Array.from({ length: 500 }, (_, n) => new Drip(port, n % 2 ? slowHead : slowBody));
      let served = 0;
      while (drips.some(({ closed }) => !closed)) {
        expect(await (await app.get('/fine')).text()).toBe('fine');
        served++;
      }
      expect(served).toBeGreaterThan(1);
      expect(drips.filter(({ text }) => !cut.test(text))).toEqual([]);
      await waitFor(async () => (await app.metric('pando_http_requests_in_flight')) === 0);
    });

    it('with a head that is too large are refused with 431', async () => {
      await using app = await start({ http, routes });
      const answer = await talk(
        app.serving.port,
        `GET /fine HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 431 /);
      expect(await (await app.get('/fine')).text()).toBe('fine');
    });

    it('with nonsense instead of a request are refused with 400', async () => {
      await using app = await start({ http, routes });
      expect(await talk(app.serving.port, '\u0016\u0003\u0001 hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
      expect(await (await app.get('/fine')).text()).toBe('fine');
    });
  });
}
