import { describe, expect, it } from 'vitest';
import { closeCodes } from '../../../realtime/close-codes.js';
import { waitFor } from '../../wait-for.js';
import { createGate, fleetOn, type StartApp } from './app.js';
import { EventStream, SocketClient } from './clients.js';
import type { SuiteRequest } from './harness.js';

/** Who asks, by a header that stands for a session. */
const userOf = ({ headers }: Pick<SuiteRequest, 'headers'>): string => String(headers['x-user']);
const as = (user: string) => ({ headers: { 'x-user': user } });

const ws = { path: '/ws', authenticate: userOf, authorize: () => true };
const streams = [
  {
    path: '/events',
    plan: (request: SuiteRequest) => ({ channels: ['news'], identity: userOf(request) }),
  },
];

/** Who may stay: ends by the application's word, and by time. */
export function accessCases(start: StartApp, redis: string | undefined): void {
  describe('access to streams and sockets', () => {
    it('ends for a user on every instance', async () => {
      const kit = redis === undefined ? {} : fleetOn(redis);
      await using one = await start({ kit, ws, streams });
      await using other = await start({ kit, ws, streams });
      const told = redis === undefined ? other : one;
      using ann = await SocketClient.open(`${other.url}/ws`, as('ann'));
      using bob = await SocketClient.open(`${other.url}/ws`, as('bob'));
      using stream = await EventStream.open(`${other.url}/events`, as('ann'));
      await waitFor(() => stream.lastEventId !== undefined);
      await told.pando.realtime.disconnectUser('ann');
      expect(await ann.closed()).toBe(closeCodes.forbidden.code);
      await stream.finished();
      expect([bob.closeCode, other.pando.realtime.connections]).toEqual([undefined, 1]);
    });

    it('ends for one channel, of which nothing more comes, not even on a resume', async () => {
      let isMember = true;
      const authorize = (_user: unknown, channel: string) => channel !== 'secret' || isMember;
      await using app = await start({ ws: { ...ws, authorize } });
      using ann = await SocketClient.open(`${app.url}/ws`, { ...as('ann'), protocols: ['pando.v1'] });
      ann.send({ t: 'sub', id: 1, c: ['secret', 'open'] });
      await waitFor(() => ann.frames.filter(({ t }) => t === 'sub').length === 2);
      const since = { secret: ann.frames.find(({ c }) => c === 'secret')?.i };
      isMember = false;
      await app.pando.realtime.revoke('ann', 'secret');
      await waitFor(() => ann.frames.some(({ t }) => t === 'unsub'));
      expect(ann.frames.at(-1)).toEqual({ t: 'unsub', c: 'secret', reason: 'revoked' });
      await app.pando.realtime.publish('secret', 'for members');
      ann.send({ t: 'sub', id: 2, c: 'secret', since });
      await waitFor(() => ann.frames.some(({ id }) => id === 2));
      await app.pando.realtime.publish('open', 'for all');
      await waitFor(() => ann.frames.some(({ d }) => d === 'for all'));
      expect(ann.frames.find(({ id }) => id === 2)).toMatchObject({ t: 'err', code: 'forbidden' });
      expect(JSON.stringify(ann.frames)).not.toContain('for members');
    });

    it('ends as well for who was being let in meanwhile', async () => {
      const [asked, decided] = [createGate(), createGate()];
      const authenticate = async (request: Pick<SuiteRequest, 'headers'>) => {
        asked.open();
        await decided.opened;
        return userOf(request);
      };
      await using app = await start({ ws: { ...ws, authenticate } });
      const connecting = SocketClient.open(`${app.url}/ws`, as('ann'));
      await asked.opened;
      await app.pando.realtime.disconnectUser('ann');
      decided.open();
      using ann = await connecting;
      expect(await ann.closed()).toBe(closeCodes.forbidden.code);
    });

    it('lasts as long as what was shown, and longer where something fresh is handed in', async () => {
      const expiresAt = Date.now() + 3_600_000;
      await using app = await start({
        ws: {
          ...ws,
          expiresAt: (user) => (user === 'late' ? Date.now() - 1 : expiresAt),
          refresh: (credential, { identity, signal }) =>
            credential === `fresh ${identity}` && !signal.aborted ? identity : undefined,
        },
        streams: [
          {
            path: '/events',
            plan: () => ({ channels: ['news'], expiresAt: Date.now() - 1 }),
          },
          { path: '/brief', plan: () => ({ channels: ['news'], expiresAt: Date.now() + 500 }) },
        ],
      });
      expect(await SocketClient.connect(`${app.url}/ws`, as('late'))).toMatchObject({ status: 401 });
      expect((await app.get('/events')).status).toBe(401);
      using brief = await EventStream.open(`${app.url}/brief`);
      await brief.finished();
      expect(brief.text).toContain('retry:');
      using ann = await SocketClient.open(`${app.url}/ws`, { ...as('ann'), protocols: ['pando.v1'] });
      ann.send({ t: 'auth', id: 1, credential: 'fresh bob' });
      ann.send({ t: 'auth', id: 2, credential: 'fresh ann' });
      await waitFor(() => ann.frames.length === 3);
      expect(ann.frames).toMatchObject([
        { t: 'auth', expiresAt },
        { t: 'err', id: 1, code: 'forbidden' },
        { t: 'auth', id: 2, expiresAt },
      ]);
    });
  });

  describe('connections over a limit', () => {
    it('of a user are refused before the handshake, with a time to wait', async () => {
      await using app = await start({ ws, streams, kit: { realtime: { maxConnectionsPerUser: 1 } } });
      using ann = await SocketClient.open(`${app.url}/ws`, as('ann'));
      const refused = await SocketClient.connect(`${app.url}/ws`, as('ann'));
      expect(refused).toMatchObject({
        status: 429,
        headers: { 'retry-after': expect.stringMatching(/^[12]\d$|^30$/) },
      });
      const answer = await app.get('/events', as('ann'));
      expect([answer.status, await answer.json()]).toMatchObject([429, { code: 'PANDO_HTTP_STREAM_LIMIT' }]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(10);
      // A browser would never come back from a 429.
      const { headers } = as('ann');
      const browser = await app.get('/events', { headers: { ...headers, accept: 'text/event-stream' } });
      expect([browser.status, await browser.text()]).toEqual([
        200,
        expect.stringMatching(/^retry: \d+\n\n$/),
      ]);
      using bob = await SocketClient.open(`${app.url}/ws`, as('bob'));
      expect([ann.closeCode, bob.closeCode]).toEqual([undefined, undefined]);
      const reason = { reason: 'user' };
      expect(await app.metric('pando_realtime_connections_refused_total', reason)).toBe(3);
    });

    it('of an address are counted by what a trusted proxy says, and by nothing else', async () => {
      for (const trustProxy of [false, true]) {
        const kit = { realtime: { maxConnectionsPerAddress: 1 } };
        await using app = await start({ ws, streams, trustProxy, kit });
        await (await app.get('/health/live')).text(); // as a balancer does before it sends anybody
        const from = (ip: string) => ({ headers: { 'x-user': 'ann', 'x-forwarded-for': ip } });
        using first = await SocketClient.open(`${app.url}/ws`, from('203.0.113.1'));
        expect(await SocketClient.connect(`${app.url}/ws`, from('203.0.113.1'))).toMatchObject({
          status: 429,
        });
        expect((await app.get('/events', from('203.0.113.1'))).status).toBe(429);
        using other = await EventStream.open(`${app.url}/events`, from('203.0.113.2'));
        expect([first.closeCode, other.status]).toEqual([undefined, trustProxy ? 200 : 429]);
      }
    });

    it('of an address are counted as the options for clients say, the same for sockets and streams', async () => {
      const kit = { realtime: { maxConnectionsPerAddress: 1 } };
      const http = { clients: { proxies: 1, ipv6PrefixBits: 56 } };
      const seen: string[] = [];
      const authenticate = (request: Pick<SuiteRequest, 'headers'>, { ip }: { readonly ip: string }) => {
        seen.push(ip);
        return userOf(request);
      };
      await using app = await start({ ws: { ...ws, authenticate }, streams, http, kit });
      const from = (ip: string) => ({ headers: { 'x-user': 'ann', 'x-forwarded-for': ip } });
      using first = await SocketClient.open(`${app.url}/ws`, from('6.6.6.6, [2001:db8:0:100::1]:80'));
      expect((await app.get('/events', from('2001:db8:0:1ff::2'))).status).toBe(429);
      using other = await EventStream.open(`${app.url}/events`, from('2001:db8:0:200::2'));
      expect([first.closeCode, other.status, seen]).toEqual([undefined, 200, ['2001:db8:0:100::1']]);
    });

    it('of an instance are refused with a time to wait', async () => {
      await using app = await start({ ws, streams, kit: { realtime: { maxConnections: 1 } } });
      using ann = await SocketClient.open(`${app.url}/ws`, as('ann'));
      const retryAfter = expect.stringMatching(/^[1-5]$/);
      expect(await SocketClient.connect(`${app.url}/ws`, as('bob'))).toMatchObject({
        status: 503,
        headers: { 'retry-after': retryAfter },
      });
      const answer = await app.get('/events', as('bob'));
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, retryAfter]);
      expect(ann.closeCode).toBeUndefined();
    });
  });

  describe('a Last-Event-ID', () => {
    it('gives nothing of channels that the plan does not name', async () => {
      const plan = ({ url }: SuiteRequest) => ({
        channels: url.includes('all') ? ['open', 'also', 'secret'] : ['open', 'also'],
      });
      await using app = await start({ streams: [{ path: '/events', plan }] });
      using before = await EventStream.open(`${app.url}/events?all`);
      await waitFor(() => before.lastEventId?.split('!').length === 4, { message: 'a cursor of all three' });
      const headers = { 'last-event-id': before.lastEventId ?? '' };
      await app.pando.realtime.publish('secret', 'for members');
      await app.pando.realtime.publish('open', 'for all');
      using after = await EventStream.open(`${app.url}/events`, { headers });
      await waitFor(() => after.text.includes('for all'));
      await app.pando.realtime.publish('also', 'the end');
      await waitFor(() => after.text.includes('the end'));
      expect(after.text).not.toContain('for members');
    });

    it('that is too long is answered, and costs nothing', async () => {
      await using app = await start({
        streams: [{ path: '/events', plan: () => ({ channels: ['a', 'b'] }) }],
      });
      const long = `c1~abc!${'x'.repeat(9_000)}`;
      using stream = await EventStream.open(`${app.url}/events`, { headers: { 'last-event-id': long } });
      await waitFor(() => stream.events.filter(({ event }) => event === 'reset').length === 2);
      expect(stream.text).toContain('"reason":"malformed"');
      const refused = await app
        .get('/events', { headers: { 'last-event-id': 'x'.repeat(10_000_000) } })
        .then(({ status }) => status)
        .catch(() => 'cut'); // Node may end the connection before all of it was sent
      expect([431, 'cut']).toContain(refused);
    });
  });
}
