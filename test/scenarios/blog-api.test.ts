import { fileURLToPath } from 'node:url';
import { waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../infra/context.js';
import { type InstanceGroup, startInstances } from '../infra/instances.js';
import { startRedis } from '../infra/redis.js';
import { BlogClient } from './blog-client.js';

const entry = fileURLToPath(new URL('../../examples/blog-api/dist/server.js', import.meta.url));
const frameworks = ['express', 'fastify'] as const;

let redis: Awaited<ReturnType<typeof startRedis>>; // of its own: every blog has the same kit name
let blogs: InstanceGroup;
let primary: string;

beforeAll(async () => {
  const [server, database] = await Promise.all([startRedis(), testDatabase()]);
  redis = server;
  primary = database.primary;
  blogs = await startInstances({
    count: 2,
    entry,
    env: (index) => ({
      FRAMEWORK: frameworks[index],
      INSTANCE_ID: frameworks[index],
      REDIS_URL: redis.url,
      DATABASE_URL: database.primary,
      DATABASE_REPLICA_URLS: database.replicas.join(','),
      TRUST_PROXY: 'loopback',
      LIMIT_SIGN_IN: '5/min',
      LIMIT_CHAT: '5/min',
    }),
  });
});
afterAll(async () => {
  await blogs?.close();
  await redis?.close();
});

describe.each(frameworks)('the blog on %s', (framework) => {
  const base = () => blogs.urls[frameworks.indexOf(framework)] as string;
  const other = () => blogs.urls[1 - frameworks.indexOf(framework)] as string;

  describe('accounts', () => {
    it('are created, signed in to, and known by cookie or bearer token until signed out of', async () => {
      const client = new BlogClient();
      const { email, password } = client;
      const registered = await client.post(`${base()}/api/auth/register`, { email, password });
      expect(registered).toMatchObject({
        status: 201,
        body: { email, name: email.split('@')[0], token_type: 'bearer' },
      });
      expect(registered.body).not.toHaveProperty('password');
      expect(registered.headers.getSetCookie().join()).toMatch(
        /session=[\w.-]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax/,
      );

      const stranger = new BlogClient();
      const login = await stranger.post(`${other()}/api/v1/auth/login`, {
        email: email.toUpperCase(),
        password,
      });
      expect(login).toMatchObject({ status: 200, body: { email } });
      expect((await stranger.get(`${base()}/api/auth/me`)).body).toEqual({
        id: registered.body.id,
        email,
        name: registered.body.name,
        plan: 'free',
      });
      const bearer = { authorization: `Bearer ${login.body.access_token}` };
      expect((await new BlogClient().get(`${base()}/api/v1/auth/me`, bearer)).status).toBe(200);

      expect((await stranger.post(`${base()}/api/auth/logout`)).status).toBe(204);
      const nobody = await stranger.get(`${base()}/api/auth/me`);
      expect(nobody).toMatchObject({
        status: 401,
        type: expect.stringContaining('application/problem+json'),
      });
      expect(nobody.headers.get('www-authenticate')).toBe('Bearer');
    });

    it('are not to be had twice, nor with a wrong password', async () => {
      const client = new BlogClient();
      const { email, password } = client;
      await client.register(base());
      expect((await client.post(`${base()}/api/auth/register`, { email, password })).status).toBe(409);
      const wrong = await client.post(`${base()}/api/auth/login`, { email, password: 'wrong horse' });
      const unknown = await client.post(`${base()}/api/auth/login`, {
        email: 'nobody@example.com',
        password,
      });
      expect(wrong.status).toBe(401);
      expect(unknown).toMatchObject({ status: 401, body: wrong.body });
      const sample = await client.post(`${base()}/api/auth/login`, {
        email: 'ada@example.com',
        password: '',
      });
      expect(sample.status).toBe(422);
    });

    it('name every field that cannot be taken', async () => {
      const { status, body } = await new BlogClient().post(`${base()}/api/auth/register`, {
        email: 'me',
        password: 'short',
      });
      expect(status).toBe(422);
      expect(body.errors).toEqual({
        email: 'must be an e-mail address',
        password: 'must have 8 to 200 characters',
      });
    });

    it('may write as often as their plan says, and take along what they wrote before it', async () => {
      const client = new BlogClient();
      const { id } = await client.register(base());
      const write = async (url: string) => {
        const { headers } = await client.post(`${url}/api/posts`, { title: 'Often', body: '-' });
        return headers.get('ratelimit')?.split(';t=')[0];
      };
      expect(await write(base())).toBe('"write-free";r=238');
      const database = new pg.Client(primary);
      await database.connect();
      await database.query(`update users set plan = 'premium' where id = $1`, [id]);
      await database.end();
      const { email, password } = client;
      const again = await client.post(`${base()}/api/auth/login`, { email, password });
      expect(again.body).toMatchObject({ id, plan: 'premium' });
      expect(await write(other())).toBe('"write-premium";r=1196');
    });

    it('stop being asked for by an address that tries too often, on all instances together', async () => {
      const client = new BlogClient();
      const attempt = { email: client.email, password: 'wrong horse' };
      for (const url of [base(), other(), base(), other(), base()]) {
        expect((await client.post(`${url}/api/auth/login`, attempt)).status).toBe(401);
      }
      const refused = await client.post(`${other()}/api/auth/login`, attempt);
      expect(refused).toMatchObject({
        status: 429,
        type: expect.stringContaining('application/problem+json'),
      });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await new BlogClient().post(`${other()}/api/auth/login`, attempt)).status).toBe(401);
    });
  });

  describe('posts', () => {
    it('are listed page by page, the newest first', async () => {
      const client = new BlogClient();
      const first = await client.get(`${base()}/api/v1/posts`);
      expect(first).toMatchObject({ status: 200, body: { page: 1, per_page: 20 } });
      expect(first.headers.get('cache-control')).toBe('private, no-cache');
      const second = await client.get(`${base()}/api/posts?page=2&per_page=2`);
      expect(second.body).toMatchObject({ page: 2, per_page: 2, total: first.body.total });
      expect(second.body.data).toEqual(first.body.data.slice(2, 4));
      expect((await client.get(`${base()}/api/blogs?per_page=1000`)).body.per_page).toBe(100);
      expect((await client.get(`${base()}/api/posts?page=999`)).body.data).toEqual([]);
      for (const query of ['page=0', 'page=x', 'per_page=-1', 'page=1&page=2']) {
        expect((await client.get(`${base()}/api/posts?${query}`)).status).toBe(400);
      }
    });

    it('are listed from a position, on any instance, which no newer post moves', async () => {
      const client = new BlogClient();
      await client.register(base());
      const first = await client.get(`${base()}/api/posts?per_page=2`);
      const expected = await client.get(`${base()}/api/posts?skip=2&limit=2`);
      expect(expected.body).toMatchObject({ page: 2, per_page: 2 });
      await client.post(`${other()}/api/posts`, { title: 'Newer', body: '-' });
      const second = await client.get(`${other()}/api/posts?per_page=2&after=${first.body.next}`);
      expect(second.body.data).toEqual(expected.body.data);
      expect(second.body).not.toHaveProperty('page');
      const back = await client.get(`${base()}/api/posts?per_page=2&before=${second.body.previous}`);
      expect(back.body.data).toEqual(first.body.data);
      for (const query of [`after=${first.body.next}x`, `after=k1.W10.x`, 'before=', 'page=1&limit=2']) {
        expect(await client.get(`${base()}/api/posts?${query}`)).toMatchObject({
          status: 400,
          body: { code: 'PANDO_DB_INVALID_PAGE' },
        });
      }
    });

    it('are written, read under each of their paths, changed and deleted by their author', async () => {
      const client = new BlogClient();
      const { id: author } = await client.register(base());
      const created = await client.post(`${base()}/api/v1/posts`, {
        title: ' Roots ',
        body: 'One <b>tree</b>.',
      });
      const { id } = created.body;
      expect(created).toMatchObject({
        status: 201,
        body: {
          title: 'Roots',
          body: 'One <b>tree</b>.',
          author: { id: author, name: 'Robin' },
          comments_count: 0,
        },
      });
      expect(created.headers.get('location')).toBe(`/api/v1/posts/${id}`);
      for (const path of ['/api/v1/posts', '/api/posts', '/api/blogs']) {
        expect(await client.get(`${base()}${path}/${id}`)).toMatchObject({ status: 200, body: created.body });
      }

      const replaced = await client.send('PUT', `${base()}/api/posts/${id}`, {
        body: { title: 'Trunks', body: 'Many.' },
      });
      expect(replaced).toMatchObject({ status: 200, body: { title: 'Trunks', body: 'Many.' } });
      const patched = await client.send('PATCH', `${base()}/api/blogs/${id}`, { body: { title: 'Leaves' } });
      expect(patched).toMatchObject({ status: 200, body: { title: 'Leaves', body: 'Many.' } });
      expect(Date.parse(patched.body.updated_at)).toBeGreaterThan(Date.parse(patched.body.created_at));

      expect((await client.send('DELETE', `${base()}/api/v1/posts/${id}`)).status).toBe(204);
      expect((await client.get(`${base()}/api/v1/posts/${id}`)).status).toBe(404);
      expect((await client.send('DELETE', `${base()}/api/v1/posts/${id}`)).status).toBe(404);
    });

    it('are cached whole, for each who asks, until something in them changes', async () => {
      const [guest, writer] = [new BlogClient(), new BlogClient()];
      await writer.register(base());
      const { body: post } = await writer.post(`${base()}/api/v1/posts`, { title: 'Whole', body: 'Page.' });
      const url = `${base()}/api/v1/posts/${post.id}`;
      const isCached = async (client: BlogClient) =>
        (await client.get(`${url}?utm_source=mail`)).headers
          .get('cache-status')
          ?.startsWith('pando; hit;') === true;
      for (const client of [guest, writer]) await waitFor(() => isCached(client));
      const etag = (await guest.get(url)).headers.get('etag') ?? '';
      for (const instance of [base(), other()]) {
        const known = await fetch(`${instance}/api/v1/posts/${post.id}`, {
          headers: { 'if-none-match': etag },
        });
        expect([known.status, await known.text()]).toEqual([304, '']);
      }

      await writer.send('PUT', `${url}/like`);
      expect((await writer.get(url)).body).toMatchObject({ likes_count: 1, liked: true });
      await waitFor(async () => (await guest.get(url)).body.likes_count === 1);
      expect((await guest.get(url)).body.liked).toBe(false);
    });

    it("are nobody else's to write, change or delete", async () => {
      const guest = new BlogClient();
      const draft = { title: 'Mine', body: 'Now.' };
      expect((await guest.post(`${base()}/api/v1/posts`, draft)).status).toBe(401);
      const forged = { authorization: 'Bearer aaa.bbb.ccc' };
      expect(
        (await guest.send('POST', `${base()}/api/v1/posts`, { body: draft, headers: forged })).status,
      ).toBe(401);
      await guest.register(base());
      for (const [method, body] of [
        ['PUT', draft],
        ['PATCH', draft],
        ['DELETE', undefined],
      ] as const) {
        expect((await guest.send(method, `${base()}/api/posts/1`, { body })).status).toBe(403);
      }
      expect((await guest.get(`${base()}/api/posts/1`)).body.title).not.toBe('Mine');
    });

    it('that do not exist are not found, whatever is asked of them', async () => {
      const client = new BlogClient();
      await client.register(base());
      for (const id of ['999999', '0', 'abc', '99999999999']) {
        expect((await client.get(`${base()}/api/posts/${id}`)).status).toBe(404);
        expect((await client.get(`${base()}/api/posts/${id}/comments`)).status).toBe(404);
        const body = { title: 'x', body: 'y' };
        expect((await client.send('PUT', `${base()}/api/posts/${id}`, { body })).status).toBe(404);
        expect((await client.post(`${base()}/api/posts/${id}/comments`, body)).status).toBe(404);
      }
    });

    it('are at once what their author made them, on the other instance, its cache and the replicas', async () => {
      const client = new BlogClient();
      await client.register(base());
      const { id } = (await client.post(`${base()}/api/posts`, { title: 'v0', body: '-' })).body;
      for (let version = 1; version <= 20; version++) {
        const title = `v${version}`;
        const [writer, reader] = version % 2 === 0 ? [base(), other()] : [other(), base()];
        await client.send('PATCH', `${writer}/api/posts/${id}`, { body: { title } });
        expect((await client.get(`${reader}/api/posts/${id}`)).body.title).toBe(title);
        expect((await client.get(`${reader}/api/posts?per_page=1`)).body.data[0].title).toBe(title);
      }
    });
  });

  describe('comments', () => {
    it('are added to a post, listed with it and counted', async () => {
      const client = new BlogClient();
      await client.register(base());
      const { id } = (await client.post(`${base()}/api/posts`, { title: 'Speak', body: '-' })).body;
      const path = `/api/posts/${id}/comments`;
      expect((await client.get(`${base()}${path}`)).body).toEqual({
        data: [],
        page: 1,
        per_page: 20,
        total: 0,
      });
      expect((await new BlogClient().post(`${base()}${path}`, { body: 'anonymous' })).status).toBe(401);
      expect((await client.post(`${base()}${path}`, { body: ' ' })).status).toBe(422);
      const first = await client.post(`${base()}${path}`, { body: 'one' });
      expect(first).toMatchObject({
        status: 201,
        body: { post_id: id, body: 'one', author: { name: 'Robin' } },
      });
      await client.post(`${other()}${path}`, { body: 'two' });
      const { body } = await client.get(`${base()}${path}`);
      expect(body).toMatchObject({ total: 2, data: [{ body: 'one' }, { body: 'two' }] });
      const older = await client.get(`${base()}${path}?limit=1`);
      expect(older.body).toMatchObject({ data: [{ body: 'one' }] });
      expect((await client.get(`${other()}${path}?after=${older.body.next}`)).body.data).toEqual([
        body.data[1],
      ]);
      expect((await client.get(`${other()}/api/posts/${id}`)).body.comments_count).toBe(2);
      expect((await client.get(`${base()}/api/posts?per_page=1`)).body.data[0].comments_count).toBe(2);
    });
  });

  describe('notifications', () => {
    it('tell everybody what happens to posts, as plain events', async () => {
      const news = new BlogClient().listen(`${base()}/api/notifications/sse`);
      try {
        await waitFor(() => news.follows(), { message: 'the stream to be followed' });
        const client = new BlogClient();
        await client.register(other());
        const { id } = (await client.post(`${other()}/api/posts`, { title: 'News', body: '-' })).body;
        await client.send('PUT', `${base()}/api/posts/${id}`, { body: { title: 'Old', body: '-' } });
        await client.send('DELETE', `${other()}/api/posts/${id}`);
        const ofPost = () => news.events.filter((event) => event.id === id);
        await waitFor(() => ofPost().length >= 3, { message: 'three events' });
        expect(ofPost()).toEqual([
          { type: 'post.created', id, title: 'News', author: 'Robin' },
          { type: 'post.updated', id, title: 'Old', author: 'Robin' },
          { type: 'post.deleted', id, title: 'Old', author: 'Robin' },
        ]);
      } finally {
        news.close();
      }
    });

    it('tell an author of comments, and nobody else, with a token that shows the state they speak of', async () => {
      const [author, reader] = [new BlogClient(), new BlogClient()];
      await author.register(base(), 'Ada');
      await reader.register(other(), 'Grace');
      const { id } = (await author.post(`${base()}/api/posts`, { title: 'Ask me', body: '-' })).body;
      const toAuthor = author.listen(`${base()}/api/v1/notifications/sse`);
      const toReader = reader.listen(`${other()}/api/notifications/sse`);
      try {
        await waitFor(() => toAuthor.follows(2) && toReader.follows(2), { message: 'both streams' });
        await reader.post(`${other()}/api/posts/${id}/comments`, { body: 'Why?' });
        const ofPost = ({ events }: typeof toAuthor) => events.filter(({ d }) => d.post_id === id);
        await waitFor(() => ofPost(toAuthor).length === 2 && ofPost(toReader).length === 1, {
          message: 'all notices',
        });
        const types = ofPost(toAuthor).map(({ d }) => d.type);
        expect(types.sort()).toEqual(['comment.created', 'comment.received']);
        const notice = { type: 'comment.created', title: 'Ask me', author: 'Grace' };
        expect(ofPost(toReader)).toMatchObject([{ c: 'notifications', d: notice }]);

        const [{ t: token }] = ofPost(toReader) as [{ readonly t: string }];
        const refetched = await new BlogClient().get(`${base()}/api/posts/${id}/comments`, {
          'pando-token-blog': token,
        });
        expect(refetched.body.data).toMatchObject([{ body: 'Why?' }]);
      } finally {
        toAuthor.close();
        toReader.close();
      }
    });
  });

  describe('chats', () => {
    it('bring what one says to everybody at the same post, whichever instance they are on', async () => {
      const member = new BlogClient();
      await member.register(base(), 'Ada');
      const chats = [
        member.chat(`${base()}/api/blogs/2/ws`),
        new BlogClient().chat(`${other()}/api/v1/posts/2/ws`),
        new BlogClient().chat(`${base()}/api/blogs/3/ws`),
      ] as const;
      const [ada, guest, elsewhere] = chats;
      try {
        await waitFor(() => chats.every(({ isOpen }) => isOpen), { message: 'three chats' });
        // Who hears themselves follows the chat, and hears all that is said from now on.
        ada.say('Ada is here');
        guest.say('a guest is here');
        await waitFor(() => ada.heard('Ada is here') && guest.heard('a guest is here'), {
          message: 'two echoes',
        });

        ada.say('hello');
        await waitFor(() => guest.heard('hello'), { message: 'the words of Ada' });
        guest.say('{"text":" hi "}');
        await waitFor(() => ada.heard('hi') && guest.heard('hi'), { message: 'the words of the guest' });
        expect(ada.messages.slice(-2)).toEqual([
          { type: 'chat.message', user: 'Ada', text: 'hello', at: expect.stringMatching(/^\d{4}-.*Z$/) },
          { type: 'chat.message', user: 'guest', text: 'hi', at: expect.any(String) },
        ]);
        expect(guest.messages.slice(-2)).toEqual(ada.messages.slice(-2));
        elsewhere.say('over here');
        await waitFor(() => elsewhere.heard('over here'), { message: 'the words at the other post' });
        ada.say('still here');
        await waitFor(() => ada.heard('still here'), { message: 'the next words here' });
        expect(ada.heard('over here')).toBe(false);
      } finally {
        for (const chat of chats) chat.close();
      }
    });

    it('tell a sender alone what cannot be said, and who talks too fast', async () => {
      const [talker, listener] = [
        new BlogClient().chat(`${base()}/api/blogs/4/ws`),
        new BlogClient().chat(`${base()}/api/blogs/4/ws`),
      ];
      try {
        await waitFor(() => talker.isOpen && listener.isOpen, { message: 'two chats' });
        talker.say(' ');
        await waitFor(() => talker.messages.length === 1, { message: 'a complaint' });
        expect(talker.messages[0]).toEqual({ type: 'error', message: 'Say something.' });
        for (let n = 1; n <= 6; n++) talker.say(`${n}`);
        await waitFor(() => talker.messages.length === 7 && listener.messages.length === 5, {
          message: 'five of six',
        });
        expect(talker.messages.filter(({ type }) => type === 'error')[1]).toMatchObject({
          message: expect.stringMatching(/^Too fast/),
        });
        expect(listener.messages.map(({ text }) => text)).toEqual(['1', '2', '3', '4', '5']);
      } finally {
        talker.close();
        listener.close();
      }
    });

    it('are refused before the handshake where there is no post, and to pages of other sites', async () => {
      const missing = new BlogClient().chat(`${base()}/api/blogs/999999/ws`);
      const foreign = new BlogClient().chat(`${base()}/api/blogs/1/ws`, { origin: 'https://evil.example' });
      await waitFor(() => missing.refusedWith && foreign.refusedWith, { message: 'two refusals' });
      expect([missing.refusedWith, foreign.refusedWith]).toEqual([404, 403]);
    });
  });

  describe('everything else', () => {
    it('serves the page, which browsers download once and may not be made to run anything else', async () => {
      const client = new BlogClient();
      const page = await client.get(`${base()}/`);
      expect(page).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' });
      expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
      for (const path of [
        '/',
        ...[...page.body.matchAll(/(?:src|href)="(\/[\w.]+)"/g)].map(([, path]) => path),
      ]) {
        const file = await client.get(`${base()}${path}`);
        expect(file.status).toBe(200);
        expect(file.headers.get('cache-control')).toBe('no-cache');
        const again = await client.get(`${base()}${path}`, {
          'if-none-match': file.headers.get('etag') ?? '',
        });
        expect(again).toMatchObject({ status: 304, body: '' });
        expect((await client.send('HEAD', `${base()}${path}`)).headers.get('etag')).toBe(
          file.headers.get('etag'),
        );
      }
    });

    it('answers what cannot be read, or does not exist, with a problem document', async () => {
      const client = new BlogClient();
      await client.register(base());
      const refusals: [number, Promise<{ status: number; type: string; body: unknown }>][] = [
        [400, client.post(`${base()}/api/posts`, '{"title":')],
        [400, client.post(`${base()}/api/posts`, '[]')],
        [422, client.post(`${base()}/api/posts`, { title: 'x'.repeat(201), body: 'a\0b' })],
        [413, client.post(`${base()}/api/posts`, { title: 'x', body: 'x'.repeat(150_000) })],
        [400, client.get(`${base()}/api/posts/%zz`)],
        [404, client.get(`${base()}/api/nothing?here`)],
        [404, client.send('DELETE', `${base()}/api/posts`)],
        [404, client.get(`${base()}/../package.json`)],
      ];
      for (const [expected, refusal] of refusals) {
        const { status, type, body } = await refusal;
        expect({ status, type }).toEqual({
          status: expected,
          type: expect.stringContaining('application/problem+json'),
        });
        expect(body).toMatchObject({
          status: expected,
          title: expect.any(String),
          detail: expect.any(String),
        });
      }
    });

    it('says which instance answered, how it is, and what it has counted', async () => {
      const client = new BlogClient();
      const list = await client.get(`${base()}/api/v1/posts`);
      expect(list.headers.get('x-pando-instance')).toBe(framework);
      expect((await client.get(`${base()}/health/ready`)).status).toBe(200);
      // A replica that lags while the machine is busy degrades the database for that time.
      const health = async () => (await client.get(`${base()}/api/v1/health`)).body;
      await waitFor(async () => (await health()).status === 'healthy');
      expect(await health()).toMatchObject({
        version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
        timestamp: expect.any(String),
        components: { database: 'healthy', redis: 'healthy' },
      });
      expect((await client.get(`${base()}/health/posts`)).body).toMatchObject({
        status: 'healthy',
        components: { database: 'healthy', 'database-pool': 'healthy' },
      });
      expect(Object.keys((await client.get(`${base()}/health/news`)).body.components)).toEqual([
        'realtime',
        'redis',
      ]);
      const metrics = await client.get(`${base()}/metrics`);
      expect(metrics.body).toMatch(
        /pando_http_requests_total\{method="GET",route="\/api\/v1\/posts",status="200"\} [1-9]/,
      );
    });
  });
});
