import { fileURLToPath } from 'node:url';
import { waitFor } from '@pando/core/testing';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchBrowser, type TestBrowser } from '../infra/browser.js';
import { testDatabase } from '../infra/context.js';
import { type InstanceGroup, startInstances } from '../infra/instances.js';
import { startRedis } from '../infra/redis.js';
import { BlogClient } from './blog-client.js';

const entry = fileURLToPath(new URL('../../examples/blog-api/dist/server.js', import.meta.url));

let redis: Awaited<ReturnType<typeof startRedis>>;
let blogs: InstanceGroup;
let chromium: TestBrowser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  const [server, database, browser] = await Promise.all([startRedis(), testDatabase(), launchBrowser()]);
  redis = server;
  chromium = browser;
  blogs = await startInstances({
    count: 3,
    entry,
    env: (index) => ({
      FRAMEWORK: index === 1 ? 'fastify' : 'express',
      INSTANCE_ID: `blog-${index + 1}`,
      REDIS_URL: redis.url,
      DATABASE_URL: database.primary,
      DATABASE_REPLICA_URLS: database.replicas.join(','),
    }),
  });
  page = await browser.browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.goto(blogs.urls[0] as string);
  await page.locator('[data-testid=live][data-state=live]').waitFor();
});
afterAll(async () => {
  await chromium?.close();
  await blogs?.close();
  await redis?.close();
});

it('the page of one instance shows what was posted through another, without being reloaded', async () => {
  const author = new BlogClient();
  await author.register(blogs.urls[2] as string, 'Hopper');
  await author.post(`${blogs.urls[2]}/api/v1/posts`, { title: 'From the third instance', body: 'Hello.' });
  const first = page.locator('[data-testid=post-item]').first();
  await first.getByText('From the third instance').waitFor();
  expect(await page.locator('[data-testid=instance]').allTextContents()).toContain('blog-1');

  // A client that does not speak HTML, on an instance of its own, hears the same event.
  const news = author.listen(`${blogs.urls[1]}/api/notifications/sse`);
  await waitFor(() => news.follows(2), { message: 'the stream follows both channels' });
  await author.post(`${blogs.urls[2]}/api/v1/posts`, { title: 'A second one', body: 'Hello again.' });
  await page.locator('[data-testid=post-item]').first().getByText('A second one').waitFor();
  await waitFor(() => news.events.some(({ d }) => d.title === 'A second one'), { message: 'the event' });
  news.close();
});

it('the chat of a post reaches the page over WebSocket from every instance, and leaves it', async () => {
  const guest = new BlogClient();
  const { body } = await guest.get(`${blogs.urls[1]}/api/v1/posts`);
  const post = body.data[0].id as number;
  const chats = [1, 2].map((index) => guest.chat(`${blogs.urls[index]}/api/blogs/${post}/ws`));
  await waitFor(() => chats.every((chat) => chat.isOpen), { message: 'both chats are open' });

  await page.locator('[data-testid=post-item]').first().click();
  await page.locator('[data-testid=chat-state]').getByText('Everybody').waitFor();
  chats[0]?.say('hello from the second');
  chats[1]?.say('hello from the third');
  const lines = page.locator('[data-testid=chat-line]');
  await lines.getByText('hello from the second').waitFor();
  await lines.getByText('hello from the third').waitFor();

  await page.locator('[data-testid=chat-text]').fill('hello from the page');
  await page.locator('[data-testid=chat-send]').click();
  for (const chat of chats) {
    await waitFor(() => chat.heard('hello from the page'), { message: 'what the page said' });
    chat.close();
  }
  expect(complaints).toEqual([]);
});
