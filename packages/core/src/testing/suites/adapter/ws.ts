import { describe, expect, it } from 'vitest';
import { PandoError } from '../../../kernel/errors.js';
import { waitFor } from '../../wait-for.js';
import { fleetOn, get, type StartApp, tokenAt } from './app.js';
import { SocketClient } from './clients.js';

const open = { path: '/ws', authorize: () => true };

/** WebSocket. */
export function wsCases(start: StartApp, redis: string | undefined): void {
  describe('WebSocket', () => {
    it('speaks pando.v1: subscriptions, messages in order, acknowledgements', async () => {
      await using app = await start({ ws: open });
      using client = await SocketClient.open(`${app.url}/ws`, { protocols: ['pando.v1'] });
      expect(client.protocol).toBe('pando.v1');
      expect(client.headers['x-pando-instance']).toBe(app.pando.instanceId);
      client.send({ t: 'sub', id: 1, c: 'room' });
      await waitFor(() => client.frames.some(({ t }) => t === 'sub'));
      for (let n = 0; n < 5; n++) client.send({ t: 'pub', id: n, c: 'room', d: n });
      for (let n = 5; n < 10; n++) await app.pando.realtime.publish('room', n);
      await waitFor(() => client.frames.filter(({ t }) => t === 'm').length === 10);
      const received = client.frames.filter(({ t }) => t === 'm').map(({ d }) => d);
      expect(received.filter((d) => Number(d) < 5)).toEqual([0, 1, 2, 3, 4]);
      expect(received.filter((d) => Number(d) >= 5)).toEqual([5, 6, 7, 8, 9]);
      expect(client.frames.filter(({ t }) => t === 'ack').map(({ id }) => id)).toEqual([0, 1, 2, 3, 4]);
    });

    it('speaks plain messages on paths with parameters', async () => {
      const seen: unknown[] = [];
      await using app = await start({
        ws: {
          path: '/rooms/:room/ws',
          protocol: 'raw',
          authenticate: (_request, { params }) => `guest of ${params.room}`,
          channels: ({ params }) => [`room:${params.room}`],
          onMessage: ({ data, params, identity, connection }) => {
            seen.push({ data, room: params.room, identity });
            connection.send(`got ${data}`);
          },
        },
      });
      using client = await SocketClient.open(`${app.url}/rooms/7/ws?x=1`);
      client.send('hello');
      await waitFor(() => client.messages.includes('got hello'));
      expect(seen).toEqual([{ data: 'hello', room: '7', identity: 'guest of 7' }]);
      await waitFor(async () => {
        await app.pando.realtime.publish('room:7', { n: 1 });
        return client.messages.includes('{"n":1}');
      });
    });

    it('runs what the application does for a message in a context that has seen what the connection has', async () => {
      const seen: unknown[] = [];
      const contexts = () => app.pando.kernel.contexts.current();
      await using app = await start({
        ws: {
          path: '/ws',
          protocol: 'raw',
          authenticate: () => {
            seen.push(contexts().token.cache);
            contexts().wrote(tokenAt(2));
            return 'somebody';
          },
          onMessage: async ({ data }) => {
            seen.push(contexts().token.cache);
            contexts().wrote(tokenAt(Number(data)));
          },
        },
      });
      using client = await SocketClient.open(`${app.url}/ws`, {
        headers: { cookie: `pando.app.a=${app.pando.tokens.encode(tokenAt(1))}` },
      });
      client.send('5');
      client.send('3');
      client.send('4');
      await waitFor(() => seen.length === 4);
      expect(seen).toEqual([1, 2, 5, 5].map((sequence) => tokenAt(sequence).cache));
    });

    it('listens on its own paths and leaves other upgrades to others', async () => {
      const others: string[] = [];
      await using app = await start({
        ws: open,
        onUpgrade: (request, socket) => {
          if (request.url !== '/theirs') return;
          others.push(request.url);
          socket.end('HTTP/1.1 418 Theirs\r\nconnection: close\r\n\r\n');
        },
      });
      expect(await SocketClient.connect(`${app.url}/theirs`)).toMatchObject({ status: 418 });
      using client = await SocketClient.open(`${app.url}/ws`);
      expect(client.closeCode).toBeUndefined();
      expect(others).toEqual(['/theirs']);
    });

    it('answers 404 on paths that nobody listens on', async () => {
      await using app = await start({ ws: open, routes: [get('/other', () => ({}))] });
      expect(await SocketClient.connect(`${app.url}/other`)).toMatchObject({ status: 404 });
      expect((await app.get('/other')).status).toBe(200);
    });

    it('refuses before the handshake: 401 for strangers, what an error says, 500 for failures', async () => {
      await using app = await start({
        ws: {
          path: '/ws/:who',
          authenticate: async (_request, { params }) => {
            if (params.who === 'banned') throw Object.assign(new Error('Banned.'), { statusCode: 403 });
            if (params.who === 'pando')
              throw new PandoError({ code: 'PANDO_X', message: 'away', status: 503 });
            if (params.who === 'broken') throw new Error('boom');
            return undefined;
          },
        },
      });
      for (const [who, status] of Object.entries({ stranger: 401, banned: 403, pando: 503, broken: 500 })) {
        expect([who, await SocketClient.connect(`${app.url}/ws/${who}`)]).toMatchObject([who, { status }]);
      }
      expect(app.pando.realtime.connections).toBe(0);
      const refused = { route: '/ws/:who', status: '401' };
      expect(await app.metric('pando_http_upgrades_total', refused)).toBe(1);
    });

    it('refuses pages of other hosts, unless they are named', async () => {
      const ws = [open, { ...open, path: '/shared', origins: ['https://friend.example'] }];
      await using app = await start({ ws });
      const from = (origin: string, path: string) =>
        SocketClient.connect(`${app.url}${path}`, { headers: { origin } });
      expect(await from('https://evil.example', '/ws')).toMatchObject({ status: 403 });
      expect(await from('null', '/ws')).toMatchObject({ status: 403 });
      expect(await from('https://evil.example', '/shared')).toMatchObject({ status: 403 });
      using own = await SocketClient.open(`${app.url}/ws`, { headers: { origin: app.url } });
      using friend = await SocketClient.open(`${app.url}/shared`, {
        headers: { origin: 'https://friend.example' },
      });
      expect([own.closeCode, friend.closeCode]).toEqual([undefined, undefined]);
    });

    it('asks before each subscription and publish', async () => {
      const asked: unknown[] = [];
      await using app = await start({
        ws: {
          path: '/ws',
          authenticate: () => 'ann',
          authorize: (identity: unknown, channel, action) => {
            asked.push([identity, channel, action]);
            return channel === 'open';
          },
        },
      });
      using client = await SocketClient.open(`${app.url}/ws`);
      client.send({ t: 'sub', id: 1, c: 'secret' });
      client.send({ t: 'pub', id: 2, c: 'open', d: 1 });
      await waitFor(() => client.frames.length === 2);
      expect(client.frames).toMatchObject([
        { t: 'err', id: 1, code: 'forbidden' },
        { t: 'ack', id: 2 },
      ]);
      expect(asked).toEqual([
        ['ann', 'secret', 'subscribe'],
        ['ann', 'open', 'publish'],
      ]);
    });

    it('refuses routes that cannot be right', async () => {
      await expect(start({ ws: { path: 'ws' } })).rejects.toThrow(/ws\.path/);
      await expect(start({ ws: [open, open] })).rejects.toThrow(/twice/);
      await expect(start({ ws: { path: '/ws', authorise: () => true } as never })).rejects.toThrow(
        /authorize/,
      );
    });

    if (redis !== undefined) {
      it('keeps the order of a channel across two instances, the same for everybody', async () => {
        const kit = fleetOn(redis);
        await using one = await start({ kit, ws: open });
        await using other = await start({ kit, ws: open });
        const join = async (url: string) => {
          const client = await SocketClient.open(`${url}/ws`, { protocols: ['pando.v1'] });
          client.send({ t: 'sub', id: 0, c: 'room' });
          await waitFor(() => client.frames.some(({ t }) => t === 'sub'));
          return client;
        };
        using ann = await join(one.url);
        using bob = await join(other.url);
        for (let n = 1; n <= 50; n++) {
          ann.send({ t: 'pub', id: n, c: 'room', d: n });
          bob.send({ t: 'pub', id: n, c: 'room', d: -n });
        }
        const received = (client: SocketClient) =>
          client.frames.filter(({ t }) => t === 'm').map(({ d }) => Number(d));
        await waitFor(() => received(ann).length >= 100 && received(bob).length >= 100);
        expect(received(ann)).toEqual(received(bob));
        const sent = Array.from({ length: 50 }, (_, n) => n + 1);
        expect(received(ann).filter((n) => n > 0)).toEqual(sent);
        expect(received(bob).filter((n) => n < 0)).toEqual(sent.map((n) => -n));
      });
    }
  });
}
