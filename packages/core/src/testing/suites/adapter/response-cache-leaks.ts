import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text as bodyOf } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { RunningApp, StartApp } from './app.js';
import { counted, text } from './cached-route.js';

/** Asks with what `fetch` does not let anybody say: a name of a host, or a body with GET. */
async function askRaw(app: RunningApp, headers: Record<string, string>, body = ''): Promise<string> {
  const request = httpRequest(`${app.url}/page`, { agent: false, headers });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return bodyOf(response);
}

/** Ways in which one client's answer, or one that a client has made up, could reach others. */
export function leakCases(start: StartApp): void {
  describe('a cached route keeps from others', () => {
    it('what was made for another name of the host, by whatever header it came', async () => {
      const names = [
        'host',
        'x-forwarded-host',
        'x-forwarded-port',
        'x-forwarded-prefix',
        'x-forwarded-proto',
      ];
      const page = counted({ identity: 'public' }, ({ headers }) => ({
        body: names.map((name) => headers[name] ?? '').join(' '),
      }));
      for (const trustProxy of [false, true]) {
        await using app = await start({ routes: [page], trustProxy });
        const host = new URL(app.url).host;
        const plain = await askRaw(app, { host });
        for (const name of names) {
          const evil = await askRaw(app, { host, [name]: 'evil.example:81' });
          expect(evil).toContain('evil.example:81'); // as its client wanted
          expect(await askRaw(app, { host })).toBe(plain);
        }
      }
    });

    it('the answer to what is not GET for everybody on its way', async () => {
      const page = counted({ identity: 'public' });
      await using app = await start({ routes: [page] });
      const override = { 'x-http-method-override': 'DELETE' };
      expect(await text(app.get('/page', { headers: override }))).toBe('run 1');
      expect(await text(app.get('/page'))).toBe('run 2');
      expect(await text(app.get('/page', { headers: override }))).toBe('run 3');
    });

    it('the answer to a GET that has a body', async () => {
      const page = counted({ identity: 'public' });
      await using app = await start({ routes: [page] });
      const typed = { 'content-type': 'application/json' };
      expect(await askRaw(app, { ...typed, 'content-length': '2' }, '{}')).toBe('run 1');
      expect(await askRaw(app, { ...typed, 'transfer-encoding': 'chunked' }, '{}')).toBe('run 2');
      expect(await askRaw(app, {})).toBe('run 3');
    });

    it('which origin may read it, although its handler forgot to say that it varies', async () => {
      const page = counted({ identity: 'public' }, ({ headers }) => ({
        headers: { 'access-control-allow-origin': String(headers.origin) },
      }));
      await using app = await start({ routes: [page] });
      for (const origin of ['https://a.example', 'https://b.example', 'https://a.example']) {
        const { headers } = await app.get('/page', { headers: { origin } });
        expect(headers.get('access-control-allow-origin')).toBe(origin);
      }
      const { headers } = await app.get('/page', { headers: { origin: 'https://b.example' } });
      expect([headers.get('vary'), headers.has('age')]).toEqual(['origin', true]);
    });

    it('a coding that they cannot decode, although its handler forgot to say that it varies', async () => {
      const page = counted({ identity: 'public' }, ({ headers }) =>
        headers['accept-encoding'] === 'x-own' ? { headers: { 'content-encoding': 'x-own' } } : {},
      );
      await using app = await start({ routes: [page] });
      const ask = async (coding: string): Promise<unknown> => {
        const { headers } = await app.get('/page', { headers: { 'accept-encoding': coding } });
        return headers.get('content-encoding');
      };
      const coded = [await ask('x-own'), await ask('identity'), await ask('x-own'), await ask('identity')];
      expect(coded).toEqual(['x-own', null, 'x-own', null]);
    });

    it.each([
      ['a token against forged requests', { 'x-csrf-token': 'one' }],
      ['the nonce of its scripts', { 'content-security-policy': "script-src 'nonce-one'" }],
    ])('%s', async (_, headers) => {
      const page = counted({ identity: 'public' }, () => ({
        headers: { 'content-type': 'text/html', ...headers },
      }));
      await using app = await start({ routes: [page] });
      expect([await text(app.get('/page')), await text(app.get('/page'))]).toEqual(['run 1', 'run 2']);
    });

    it('no data, only because pages beside them have nonces', async () => {
      const page = counted({}, () => ({ headers: { 'content-type': 'application/json' } }));
      const before = { 'content-security-policy': "script-src 'nonce-one'" };
      await using app = await start({ routes: [page], before });
      expect([await text(app.get('/page')), await text(app.get('/page'))]).toEqual(['run 1', 'run 1']);
    });
  });
}
