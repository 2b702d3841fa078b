import { fileURLToPath } from 'node:url';
import { waitFor } from '@pando/core/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHaproxy } from '../infra/balancers.js';
import { launchBrowser, type TestBrowser } from '../infra/browser.js';
import { testDatabase } from '../infra/context.js';
import { type InstanceGroup, startInstances } from '../infra/instances.js';
import { startRedis } from '../infra/redis.js';
import type { ServerProcess } from '../infra/server-process.js';
import { BlogClient } from './blog-client.js';
import { Visitor } from './page-visitor.js';

const entry = fileURLToPath(new URL('../../examples/blog-api/dist/server.js', import.meta.url));
const names = ['blog-1', 'blog-2', 'blog-3'];

let redis: Awaited<ReturnType<typeof startRedis>>; // of its own: every blog has the same kit name
let blogs: InstanceGroup;
let balancer: ServerProcess;
let chromium: TestBrowser;
let ada: Visitor;
let grace: Visitor;

beforeAll(async () => {
  const [server, database, browser] = await Promise.all([startRedis(), testDatabase(), launchBrowser()]);
  redis = server;
  chromium = browser;
  blogs = await startInstances({
    count: 3,
    entry,
    env: (index) => ({
      FRAMEWORK: index === 1 ? 'fastify' : 'express',
      INSTANCE_ID: names[index],
      REDIS_URL: redis.url,
      DATABASE_URL: database.primary,
      DATABASE_REPLICA_URLS: database.replicas.join(','),
      TRUST_PROXY: 'loopback',
    }),
  });
  balancer = await startHaproxy({ ports: blogs.ports, healthPath: '/health/ready' });
  [ada, grace] = await Promise.all([
    Visitor.open(browser.browser, balancer.url),
    Visitor.open(browser.browser, balancer.url),
  ]);
});
afterAll(async () => {
  await chromium?.close();
  await balancer?.close();
  await blogs?.close();
  await redis?.close();
});

const title = 'One root';

it('two browsers see at once what the other one does: a post, a comment, a like', async () => {
  await ada.register('Ada');
  await grace.register('Grace');
  await ada.publish(title, 'Many trunks.');
  await grace.open(title);
  await grace.at('news').getByText(`Ada published “${title}”`).waitFor();

  await grace.comment('Where do they join?');
  await ada.at('comment').getByText('Where do they join?').waitFor();
  await ada.at('comment-count').getByText('1 comment').waitFor();
  await ada.at('news').getByText(`Grace commented on your post “${title}”`).waitFor();
  await ada.comment('Under the ground.');
  await grace.at('comment').getByText('Under the ground.').waitFor();
  for (const visitor of [ada, grace])
    expect(await visitor.comments()).toEqual(['Where do they join?', 'Under the ground.']);

  await grace.at('like').click();
  await ada.at('like-count').getByText('1 like').waitFor();
  await ada.at('news').getByText(`Grace likes your post “${title}”`).waitFor();
  expect(await ada.at('like').getAttribute('aria-pressed')).toBe('false');
  expect(await grace.at('like').getAttribute('aria-pressed')).toBe('true');
  await ada.at('like').click();
  await grace.at('like-count').getByText('2 likes').waitFor();
  await grace.at('like').click();
  await ada.at('like-count').getByText('1 like').waitFor();
  await waitFor(async () => (await grace.texts('item-likes'))[0]?.trim() === '1 like');
}, 60_000);

it('who reads a post is shown to all who do, and the chat joins them, over whatever they speak', async () => {
  await waitFor(async () => (await ada.readers()) === 'You and Grace');
  await waitFor(async () => (await grace.readers()) === 'You and Ada');
  const guest = new BlogClient();
  const { body } = await guest.get(`${balancer.url}/api/v1/posts`);
  const socket = guest.chat(`${balancer.url}/api/blogs/${body.data[0].id}/ws`);
  await waitFor(() => socket.isOpen, { message: 'the chat over WebSocket' });
  // Who hears themselves follows the chat; what is said before that may be past already.
  const hears = () => socket.heard('hello?') || void socket.say('hello?');
  await waitFor(hears, { intervalMs: 250, message: 'the echo' });
  await ada.say('hello from Ada');
  await grace.say('hello from Grace');
  await waitFor(() => socket.heard('hello from Grace'), { message: 'the pages over WebSocket' });
  socket.close();
  for (const visitor of [ada, grace]) {
    await waitFor(async () => (await visitor.chat()).includes('hello from Grace'), { message: 'all lines' });
    expect((await visitor.chat())[0]).toBe('hello?');
    expect((await visitor.chat()).slice(-2)).toEqual(['hello from Ada', 'hello from Grace']);
  }
}, 60_000);

it('an instance that is killed takes nothing along: both pages go on, nothing is lost and nothing is there twice', async () => {
  expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  const connection = await ada.watchConnection();
  const killed = await ada.streamedBy();
  expect(names).toContain(killed);
  const [comments, chat] = [await ada.comments(), await ada.chat()];

  await grace.comment('before');
  await grace.say('before');
  await blogs.instances[names.indexOf(killed)]?.kill();
  for (let n = 1; n <= 4; n++) {
    await grace.comment(`comment ${n}`);
    await grace.say(`line ${n}`);
  }
  await ada.comment('I am still here');
  await ada.say('so am I');

  await waitFor(async () => (await connection()).at(-1) === 'Live', { message: 'the page to be live again' });
  expect(await connection()).toEqual(expect.arrayContaining(['Reconnecting', 'Live']));
  expect((await connection())[0]).toBe('Reconnecting');
  expect(await ada.streamedBy()).not.toBe(killed);

  const numbered = (what: string) => [1, 2, 3, 4].map((n) => `${what} ${n}`);
  const allComments = [...comments, 'before', ...numbered('comment'), 'I am still here'];
  const allChat = [...chat, 'before', ...numbered('line'), 'so am I'];
  for (const visitor of [ada, grace]) {
    await waitFor(async () => (await visitor.comments()).length >= allComments.length, { message: 'all' });
    expect(await visitor.comments()).toEqual(allComments);
    await waitFor(async () => (await visitor.chat()).length >= allChat.length, { message: 'all lines' });
    expect(await visitor.chat()).toEqual(allChat);
  }
  await waitFor(async () => (await ada.readers()) === 'You and Grace');
  await waitFor(async () => (await grace.readers()) === 'You and Ada');
  // What the dead instance knew of readers is forgotten when its lease is over: whoever leaves then is gone.
  await grace.close();
  await waitFor(async () => (await ada.readers()) === 'You', {
    timeoutMs: 45_000,
    message: 'Grace to leave',
  });
  expect([...ada.failures, ...grace.failures]).toEqual([]);
}, 120_000);

it('the page lists who serves, and who is just leaving', async () => {
  const serving = names.filter((_, index) => blogs.instances[index]?.running);
  const [leaving, staying] = serving as [string, string];
  const listed = async (state: string) =>
    ada.page.locator(`[data-testid=fleet-row][data-state=${state}] th`).allTextContents();
  await ada.at('fleet-open').click();
  await waitFor(async () => (await listed('ready')).toSorted().join() === serving.join(), {
    timeoutMs: 30_000,
    message: 'the killed one to go with its lease',
  });
  const ended = blogs.instances[names.indexOf(leaving)]?.terminate();
  await waitFor(async () => (await listed('draining')).join() === leaving, { message: 'one that drains' });
  expect(await listed('ready')).toEqual([staying]);
  expect(await ended).toEqual({ code: 0, signal: null });
  await waitFor(async () => (await ada.texts('fleet-row', 'th')).join() === staying, {
    message: 'it to be gone',
  });
  expect(ada.failures).toEqual([]);
}, 90_000);
