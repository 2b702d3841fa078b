import { fileURLToPath, pathToFileURL } from 'node:url';
import { createCache } from '@pando/core/cache';
import { createTestCluster, type DatabaseUrls, type TestCluster, waitFor } from '@pando/core/testing';
import { EventSource } from 'eventsource';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type InstanceGroup, startInstances } from '../infra/instances.js';
import { RedisServer } from '../infra/redis-server.js';
import { FleetClient } from './fleet.js';

const at = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const rounds = 12;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster({ replicas: 2 });
});
afterAll(() => cluster?.close());

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}

describe.each([
  ['Express', 'first-lines.express.ts', 'firstexpress'],
  ['Fastify', 'first-lines.fastify.ts', 'firstfastify'],
])('the first lines of the README, on %s, two instances', (_, entry, name) => {
  let redis: RedisServer;
  let database: DatabaseUrls;
  let fleet: InstanceGroup;
  let a: string;
  let b: string;

  beforeAll(async () => {
    [redis, database] = await Promise.all([RedisServer.start(), cluster.createDatabase(name)]);
    await query(database.primary, 'create table posts (id int primary key, title text not null)');
    await query(database.primary, "insert into posts values (1, 'new'), (2, 'other')");
    await cluster.caughtUp();
    fleet = await startInstances({
      count: 2,
      entry: at(entry),
      nodeArgs: ['--import', pathToFileURL(at('other-port.mjs')).href], // the lines themselves say 3000
      env: {
        REDIS_URL: redis.url,
        DATABASE_URL: database.primary,
        DATABASE_REPLICA_URLS: database.replicas.join(','),
      },
    });
    [a, b] = fleet.urls as [string, string];
  });
  afterAll(async () => {
    await fleet?.close();
    await redis?.close();
  });

  /** What a client is shown of the first post: by its own page and by the list. */
  async function titlesAt(url: string, ask: (url: string) => Promise<Response>): Promise<readonly string[]> {
    const [post, list] = await Promise.all([ask(`${url}/posts/1`), ask(`${url}/posts`)]);
    const { title } = (await post.json()) as { title: string };
    const [first] = (await list.json()) as { title: string }[];
    return [title, first?.title ?? ''];
  }

  /** Every cache holds the title, and so do both replicas, which will not learn of another. */
  async function pauseAt(title: string): Promise<AsyncDisposable> {
    const writer = new FleetClient('app');
    await rename(writer, a, title);
    await cluster.caughtUp();
    for (const replica of cluster.replicas) await replica.pauseReplay();
    for (const url of [a, b]) {
      expect(await titlesAt(url, (path) => writer.request(path))).toEqual([title, title]);
    }
    return {
      async [Symbol.asyncDispose]() {
        for (const replica of cluster.replicas) await replica.resumeReplay();
      },
    };
  }

  async function rename(client: FleetClient, url: string, title: string): Promise<Response> {
    const answer = await client.request(`${url}/posts/1`, { method: 'PUT', body: JSON.stringify({ title }) });
    expect(answer.status).toBe(204);
    return answer;
  }

  it('show the client that got the 204 its own write, from any instance, replica and cache', async () => {
    await using _ = await pauseAt('before');
    const client = new FleetClient('app');
    for (let round = 1; round <= rounds; round++) {
      const title = `mine ${round}`;
      await rename(client, round % 2 === 0 ? a : b, title);
      for (const url of [a, b]) {
        await titlesAt(url, (path) => fetch(path)); // strangers fill the caches, from where they may
        expect(await titlesAt(url, (path) => client.request(path))).toEqual([title, title]);
      }
    }
    for (const url of database.replicas) {
      expect(await query(url, 'select title from posts where id = 1')).toEqual([{ title: 'before' }]);
    }
  });

  it('show a browser its own write by the cookie alone', async () => {
    await using _ = await pauseAt('before the cookie');
    const answer = await rename(new FleetClient('app'), a, 'by cookie');
    const cookie = answer.headers
      .getSetCookie()
      .map((line) => line.split(';', 1)[0])
      .join('; ');
    const titles = await titlesAt(b, (path) => fetch(path, { headers: { cookie } }));
    expect(titles).toEqual(['by cookie', 'by cookie']);
  });

  it('show nobody the old title who comes with the token of the event', async () => {
    await using _ = await pauseAt('before the event');
    const shown: Promise<readonly string[]>[] = [];
    const source = new EventSource(`${b}/events`);
    try {
      source.onmessage = ({ data }) => {
        const { t: token, d: event } = JSON.parse(data) as { t: string; d: { type: string; id: string } };
        expect(event).toEqual({ type: 'post.updated', id: '1' });
        for (const url of [a, b]) {
          const ask = (path: string) => fetch(path, { headers: { 'pando-token-app': token } });
          shown.push(titlesAt(url, ask));
        }
      };
      await waitFor(() => source.readyState === EventSource.OPEN, { message: 'the stream to be open' });
      const writer = new FleetClient('app');
      for (let round = 1; round <= rounds; round++) {
        await rename(writer, a, String(round));
        await waitFor(() => shown.length === 2 * round, { message: `event ${round}` });
        for (const titles of await Promise.all(shown.slice(-2))) {
          for (const title of titles) expect(Number(title)).toBeGreaterThanOrEqual(round);
        }
      }
    } finally {
      source.close();
    }
  });

  it('serve the list from the cache, whoever of the two has it', async () => {
    await waitFor(async () => (await fetch(`${b}/posts`)).headers.has('age'), { message: 'a stored list' });
    const etag = (await fetch(`${b}/posts`)).headers.get('etag') ?? '';
    const again = await fetch(`${a}/posts`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
  });

  it('drain on SIGTERM: the balancer is told, streams come back elsewhere, the process ends with 0', async () => {
    const [first, second] = fleet.instances as [(typeof fleet.instances)[0], (typeof fleet.instances)[0]];
    const stream = await fetch(`${a}/events`);
    const ended = first.terminate();
    await waitFor(async () => (await fetch(`${a}/health/ready`)).status === 503, { message: 'not ready' });
    expect((await fetch(`${a}/posts/2`)).status).toBe(200); // until the balancer knows, requests are served
    expect(await stream.text()).toContain('retry:'); // ends in order, or this would reject
    expect(await ended).toMatchObject({ code: 0 });
    expect((await fetch(`${second.url}/posts/2`)).status).toBe(200);
  });
});

describe('one room alone', () => {
  it('takes a client of yours, which stays as it is and open', async () => {
    await using redis = await RedisServer.start();
    const myIoredisClient = new Redis(redis.url, { db: 3, keyPrefix: 'mine:', maxRetriesPerRequest: 7 });
    await myIoredisClient.set('before', '1');
    const options = { ...myIoredisClient.options };
    const listeners = myIoredisClient.eventNames();

    const cache = createCache({ redis: myIoredisClient });
    await cache.start();
    const load = async () => ({ title: 'one' });
    expect(await cache.getOrLoad('post:1', load)).toEqual({ title: 'one' });
    expect((await cache.invalidate(['post:1'])).confirmed).toBe(true);
    await cache.close();

    expect(myIoredisClient.status).toBe('ready');
    expect(myIoredisClient.options).toEqual(options);
    expect(myIoredisClient.eventNames()).toEqual(listeners);
    expect(await myIoredisClient.get('before')).toBe('1');
    const keys = await myIoredisClient.keys('*');
    expect(keys.filter((key) => key.startsWith('mine:'))).toEqual(['mine:before']); // the room's keys are its own
    await myIoredisClient.quit();
  });
});
