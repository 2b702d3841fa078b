import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@pando/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../infra/context.js';
import { type InstanceGroup, startInstances } from '../infra/instances.js';
import { startRedis } from '../infra/redis.js';
import { BlogClient } from './blog-client.js';

const entry = fileURLToPath(new URL('../../examples/blog-api/dist/server.js', import.meta.url));
const frameworks = ['express', 'fastify'] as const;

let redis: Awaited<ReturnType<typeof startRedis>>; // of its own: every blog has the same kit name
let blogs: InstanceGroup;

beforeAll(async () => {
  const [server, database] = await Promise.all([startRedis(), testDatabase()]);
  redis = server;
  blogs = await startInstances({
    count: 2,
    entry,
    env: (index) => ({
      FRAMEWORK: frameworks[index],
      REDIS_URL: redis.url,
      DATABASE_URL: database.primary,
      DATABASE_REPLICA_URLS: database.replicas.join(','),
      TRUST_PROXY: 'loopback',
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

  /** Somebody with an account, and a post of theirs. */
  const author = async (name = 'Ada') => {
    const client = new BlogClient();
    await client.register(base(), name);
    const { body } = await client.post(`${base()}/api/posts`, { title: `By ${name}`, body: '-' });
    return { client, id: body.id as number };
  };

  describe('likes', () => {
    it('are given and taken back once, however often they are sent, under each path', async () => {
      const { client, id } = await author();
      for (const path of ['/api/v1/posts', '/api/posts', '/api/blogs']) {
        for (const [method, liked] of [
          ['PUT', true],
          ['PUT', true],
          ['DELETE', false],
          ['DELETE', false],
        ] as const) {
          const answer = await client.send(method, `${base()}${path}/${id}/like`);
          expect(answer).toMatchObject({ status: 200, body: { liked, likes_count: Number(liked) } });
        }
      }
    });

    it('are counted for everybody, and marked for who gave them, in the post and in lists, wherever one looks', async () => {
      const { client, id } = await author();
      const guest = new BlogClient();
      const reader = new BlogClient();
      await reader.register(other(), 'Grace');
      await client.send('PUT', `${base()}/api/posts/${id}/like`);
      await reader.send('PUT', `${other()}/api/posts/${id}/like`);
      await client.send('DELETE', `${other()}/api/posts/${id}/like`);
      for (const url of [base(), other()]) {
        // Each is shown their own doing at once, and the guest what has been announced by then.
        const seen = { likes_count: expect.any(Number), liked: false };
        expect((await client.get(`${url}/api/posts/${id}`)).body).toMatchObject({ ...seen, likes_count: 1 });
        expect((await reader.get(`${url}/api/posts/${id}`)).body).toMatchObject({ ...seen, liked: true });
        const listed = await reader.get(`${url}/api/posts?per_page=1`);
        expect(listed.body.data[0]).toMatchObject({ id, liked: true });
        await waitFor(async () => (await guest.get(`${url}/api/posts/${id}`)).body.likes_count === 1);
        expect((await guest.get(`${url}/api/posts/${id}`)).body.liked).toBe(false);
      }
    });

    it('that many give at once, through both instances, are all counted', async () => {
      const { client, id } = await author();
      const readers = Array.from({ length: 8 }, () => new BlogClient());
      await Promise.all(readers.map((reader) => reader.register(base(), 'Reader')));
      await Promise.all(
        readers.map((reader, index) =>
          reader.send('PUT', `${index % 2 ? base() : other()}/api/posts/${id}/like`),
        ),
      );
      const { body } = await client.send('PUT', `${base()}/api/posts/${id}/like`);
      expect(body).toEqual({ likes_count: 9, liked: true });
    });

    it('tell everybody, and the author who it was, with a token that shows the new count', async () => {
      const { client, id } = await author();
      const reader = new BlogClient();
      await reader.register(other(), 'Grace');
      const news = client.listen(`${base()}/api/notifications/sse`);
      try {
        await waitFor(() => news.follows(2), { message: 'both channels' });
        await reader.send('PUT', `${other()}/api/posts/${id}/like`);
        await reader.send('PUT', `${other()}/api/posts/${id}/like`);
        await reader.send('DELETE', `${other()}/api/posts/${id}/like`);
        const ofPost = () => news.events.filter(({ d }) => d.id === id);
        const types = () => ofPost().map(({ d }) => d.type);
        await waitFor(() => types().includes('post.unliked') && types().includes('like.received'), {
          message: 'what was done',
        });
        expect(types().sort()).toEqual(['like.received', 'post.liked', 'post.unliked']);
        const received = ofPost().find(({ d }) => d.type === 'like.received');
        expect(received.d).toEqual({ type: 'like.received', id, title: 'By Ada', author: 'Grace' });
        const { t: token } = ofPost().find(({ d }) => d.type === 'post.unliked');
        const refetched = await new BlogClient().get(`${base()}/api/posts/${id}`, {
          'pando-token-blog': token,
        });
        expect(refetched.body.likes_count).toBe(0);
      } finally {
        news.close();
      }
    });

    it('need an account and a post', async () => {
      const { client } = await author();
      expect((await new BlogClient().send('PUT', `${base()}/api/posts/1/like`)).status).toBe(401);
      expect((await client.send('PUT', `${base()}/api/posts/999999/like`)).status).toBe(404);
      expect((await client.send('DELETE', `${base()}/api/posts/none/like`)).status).toBe(404);
    });
  });

  describe('requests that are sent again because nobody answered', () => {
    const again = async <T>(send: (url: string) => Promise<T>) =>
      Promise.all([base(), other(), base()].map((url) => send(url)));

    it('leave one post, one comment and one chat message behind', async () => {
      const { client, id } = await author();
      const headers = { 'idempotency-key': randomUUID() };
      const draft = { body: { title: 'Once', body: '-' }, headers };
      const posts = await again((url) => client.send('POST', `${url}/api/posts`, draft));
      expect(posts.map(({ status }) => status)).toEqual([201, 201, 201]);
      expect(new Set(posts.map(({ body }) => body.id)).size).toBe(1);

      const comment = { body: { body: 'Only this' }, headers };
      await again((url) => client.send('POST', `${url}/api/posts/${id}/comments`, comment));
      const { body } = await client.get(`${other()}/api/posts/${id}/comments`);
      expect(body).toMatchObject({ total: 1, data: [{ body: 'Only this' }] });

      const chat = new BlogClient().chat(`${other()}/api/blogs/${id}/ws`);
      try {
        await waitFor(() => chat.isOpen, { message: 'the chat' });
        // Who hears themselves follows the chat; what is said before that may be past already.
        const hears = () => chat.heard('hello?') || void chat.say('hello?');
        await waitFor(hears, { intervalMs: 250, message: 'the echo' });
        const line = { body: { text: 'just once' }, headers };
        await again((url) => client.send('POST', `${url}/api/posts/${id}/chat`, line));
        chat.say('last');
        await waitFor(() => chat.heard('last'), { message: 'the last word' });
        const said = chat.messages.map(({ user, text }) => `${user}: ${text}`);
        expect(said.filter((line) => line !== 'guest: hello?')).toEqual(['Ada: just once', 'guest: last']);
      } finally {
        chat.close();
      }
    });

    it('are refused when their key is none', async () => {
      const { client, id } = await author();
      const headers = { 'idempotency-key': 'short' };
      const refused = await client.send('POST', `${base()}/api/posts/${id}/comments`, {
        body: { body: 'x' },
        headers,
      });
      expect(refused).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('Idempotency-Key') },
      });
    });
  });

  it('takes no body that is not JSON', async () => {
    const { client } = await author();
    for (const [type, body] of [
      ['application/x-www-form-urlencoded', 'title=x&body=y'],
      ['multipart/form-data; boundary=x', '--x--'],
      ['text/plain', '{"title":"x","body":"y"}'],
    ] as const) {
      const headers = { 'content-type': type };
      const refused = await client.send('POST', `${base()}/api/v1/posts`, { body, headers });
      expect(refused).toMatchObject({
        status: 415,
        type: expect.stringContaining('application/problem+json'),
        body: { status: 415, detail: 'The body must be sent as application/json.' },
      });
    }
  });

  it('sends the page compressed to who can read that, and asks for it anew when it has changed', async () => {
    for (const [accepted, encoding] of [
      ['gzip, deflate, br, zstd', 'br'],
      ['gzip, br;q=0', 'gzip'],
      ['identity', null],
    ] as const) {
      const headers = { 'accept-encoding': accepted };
      const page = await fetch(`${base()}/`, { headers });
      expect(page.headers.get('content-encoding')).toBe(encoding);
      expect(page.headers.get('vary')).toContain('accept-encoding');
      expect(await page.text()).toContain('<!doctype html>');
      const etag = page.headers.get('etag') ?? '';
      const again = await fetch(`${other()}/`, { headers: { ...headers, 'if-none-match': etag } });
      expect([again.status, await again.text()]).toEqual([304, '']);
    }
  });
});
