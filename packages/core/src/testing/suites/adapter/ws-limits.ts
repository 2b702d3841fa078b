import { describe, expect, it } from 'vitest';
import type { WsRoute } from '../../../http/ws-route.js';
import { closeCodes } from '../../../realtime/close-codes.js';
import { waitFor } from '../../wait-for.js';
import { quiet, type StartApp } from './app.js';
import { type Refusal, SocketClient } from './clients.js';

const kit = { limits: { policies: { connect: '2/h', talk: '2/h', publish: '1/h' } }, logger: quiet } as const;

type Identity = string;

/** A route whose clients say who they are. */
const route = (more: Partial<WsRoute<Identity>>, asked: string[] = []): WsRoute => ({
  path: '/ws',
  authenticate({ headers }) {
    asked.push(String(headers['x-user']));
    return String(headers['x-user']);
  },
  authorize: () => true,
  ...(more as Partial<WsRoute>),
});
const as = (user: string) => ({ headers: { 'x-user': user }, protocols: ['pando.v1'] });

/** Limits of WebSocket connections, and of what they send. */
export function wsLimitCases(start: StartApp): void {
  describe('WebSocket limits', () => {
    it('refuse connections of an address before anybody is asked who it is', async () => {
      const asked: string[] = [];
      const http = { clients: { proxies: 1 } };
      await using app = await start({ kit, http, ws: route({ limits: { connections: 'connect' } }, asked) });
      const from = (ip: string) => ({ headers: { 'x-user': ip, 'x-forwarded-for': ip } });
      using first = await SocketClient.open(`${app.url}/ws`, from('203.0.113.1'));
      using second = await SocketClient.open(`${app.url}/ws`, from('203.0.113.1'));
      const refused = (await SocketClient.connect(`${app.url}/ws`, from('203.0.113.1'))) as Refusal;
      expect([refused.status, refused.headers['content-type']]).toEqual([429, 'application/problem+json']);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      using other = await SocketClient.open(`${app.url}/ws`, from('203.0.113.2'));
      expect([first, second, other].map(({ closeCode }) => closeCode)).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect(asked).toEqual(['203.0.113.1', '203.0.113.1', '203.0.113.2']);
      const labels = { route: '/ws', status: '429' };
      expect(await app.metric('pando_http_upgrades_total', labels)).toBe(1);
    });

    it('count the messages of a user over all connections', async () => {
      const limits = { messages: 'talk', key: ({ identity }: { readonly identity: Identity }) => identity };
      await using app = await start({ kit, ws: route({ limits }) });
      using one = await SocketClient.open(`${app.url}/ws`, as('ann'));
      using two = await SocketClient.open(`${app.url}/ws`, as('ann'));
      using bob = await SocketClient.open(`${app.url}/ws`, as('bob'));
      const answer = async (client: SocketClient, id: number) => {
        client.send({ t: 'sub', id, c: `c${id}` });
        await waitFor(() => client.frames.some((frame) => frame.id === id));
        return client.frames.find((frame) => frame.id === id);
      };
      expect([await answer(one, 1), await answer(two, 2)]).toMatchObject([{ t: 'sub' }, { t: 'sub' }]);
      const refused = { t: 'err', code: 'rate-limited', retryAfterMs: expect.any(Number) };
      expect([await answer(one, 3), await answer(two, 4)]).toMatchObject([refused, refused]);
      expect(await answer(bob, 5)).toMatchObject({ t: 'sub' });
      const reason = { reason: 'policy' };
      expect(await app.metric('pando_realtime_messages_limited_total', reason)).toBe(2);
    });

    it('count publishes apart from other messages', async () => {
      await using app = await start({ kit, ws: route({ limits: { publishes: 'publish' } }) });
      using client = await SocketClient.open(`${app.url}/ws`, as('ann'));
      client.send({ t: 'sub', id: 1, c: 'a' });
      for (const id of [2, 3]) client.send({ t: 'pub', id, c: 'a', d: id });
      client.send({ t: 'ping', id: 4 });
      await waitFor(
        () => client.frames.some(({ id }) => id === 4) && client.frames.some(({ t }) => t === 'ack'),
      );
      expect(client.frames.find(({ id }) => id === 3)).toMatchObject({
        t: 'err',
        c: 'a',
        code: 'rate-limited',
      });
      await waitFor(() => client.frames.some(({ t }) => t === 'm'));
      expect(client.frames.filter(({ t }) => t === 'm').map(({ d }) => d)).toEqual([2]);
    });

    it('let a raw route say it in its own language, and close on who does not stop', async () => {
      const heard: string[] = [];
      await using app = await start({
        kit,
        ws: route({
          protocol: 'raw',
          limits: { messages: 'talk' },
          onMessage: ({ data }) => void heard.push(data),
          onLimited({ connection, identity, retryAfterMs }) {
            connection.send(`slowly, ${identity}: ${retryAfterMs > 0}`);
            throw new Error('and that fails');
          },
        }),
      });
      using client = await SocketClient.open(`${app.url}/ws`, { headers: { 'x-user': 'ann' } });
      for (let n = 0; n < 200; n++) client.send(String(n));
      await waitFor(() => client.messages.length > 0);
      expect([heard, client.messages[0]]).toEqual([['0', '1'], 'slowly, ann: true']);
      for (let n = 0; n < 200; n++) client.send(String(n));
      expect(await client.closed()).toBe(closeCodes.rateLimited.code);
      expect(heard).toEqual(['0', '1']);
    });

    it('are refused where there is no such policy', async () => {
      await expect(start({ kit, ws: route({ limits: { messages: 'tlak' } }) })).rejects.toMatchObject({
        message: expect.stringContaining('talk'),
      });
    });
  });
}
