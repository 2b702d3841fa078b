import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { waitFor } from '@pando/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser, type TestBrowser } from '../infra/browser.js';
import { testDatabase } from '../infra/context.js';
import { type InstanceGroup, startInstances } from '../infra/instances.js';
import { BlogClient } from './blog-client.js';
import { cutTexts, faintTexts, namelessControls, overhang } from './page-inspection.js';
import { Visitor } from './page-visitor.js';

const blog = new URL('../../examples/blog-api/', import.meta.url);

let blogs: InstanceGroup; // one instance, on memory drivers
let url: string;
let chromium: TestBrowser;

beforeAll(async () => {
  const [database, browser] = await Promise.all([testDatabase(), launchBrowser()]);
  chromium = browser;
  blogs = await startInstances({
    entry: fileURLToPath(new URL('dist/server.js', blog)),
    env: { DATABASE_URL: database.primary, INSTANCE_ID: 'blog-1', LIMIT_WRITE: '1000/min' },
  });
  url = blogs.urls[0] as string;
});
afterAll(async () => {
  await chromium?.close();
  await blogs?.close();
});

const themes = ['light', 'dark'] as const;
const sizes = [
  { width: 360, height: 740 },
  { width: 820, height: 1180 },
  { width: 1440, height: 900 },
];

describe.each(themes)('the page in the %s', (colorScheme) => {
  it.each(sizes)(
    'fits $width pixels, can be read, and says what everything is',
    async (viewport) => {
      await using visitor = await Visitor.open(chromium.browser, url, { colorScheme, viewport });
      const { page } = visitor;
      const inspect = async (where: string) => {
        expect(await page.evaluate(overhang), `${where}: too wide`).toBe(0);
        expect(await page.evaluate(cutTexts), `${where}: cut`).toEqual([]);
        expect(await page.evaluate(faintTexts), `${where}: too faint`).toEqual([]);
        expect(await page.evaluate(namelessControls), `${where}: nameless`).toEqual([]);
      };
      await inspect('the list');
      await visitor.open('The oldest program still running');
      await visitor.at('comment').first().waitFor();
      await waitFor(async () => (await visitor.readers()) === 'You');
      await inspect('a post');
      await visitor.at('sign-in').click();
      await inspect('signing in');
      await visitor.at('account-mode').click();
      await inspect('registering');
      await page.keyboard.press('Escape');
      const readers = await visitor.watch('readers');
      await visitor.register('Somebody whose name is rather long');
      await visitor.say(`A word without end: ${'o'.repeat(300)}`);
      await visitor.at('chat-line').first().waitFor();
      await visitor.at('like').click();
      await inspect('after some use');
      await waitFor(async () => (await visitor.readers()) === 'You');
      expect(await readers(), 'one who signs in is nobody else').not.toContain('You and 1 guest');
      await visitor.at('fleet-open').click();
      await visitor.at('fleet-row').getByText('ready').waitFor();
      await inspect('the instances');
      await page.keyboard.press('Escape');
      await visitor.at('write').click();
      await inspect('writing');
      expect([...visitor.complaints, ...visitor.failures]).toEqual([]);
    },
    60_000,
  );
});

it('the page asks nobody else for anything, and is small', async () => {
  await using visitor = await Visitor.come(chromium.browser);
  const origins = new Set<string>();
  visitor.page.on('request', (request) => origins.add(new URL(request.url()).origin));
  await visitor.page.goto(url);
  await visitor.at('readers').getByText('You').waitFor();
  expect([...origins].filter((origin) => origin !== 'null')).toEqual([url]);

  const folder = new URL('public/', blog);
  const files = await Promise.all((await readdir(folder)).map((file) => readFile(new URL(file, folder))));
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
  expect(sum(files.map((file) => file.length))).toBeLessThan(60_000);
  expect(sum(files.map((file) => brotliCompressSync(file).length))).toBeLessThan(25_000);
});

it('a theme that was chosen stays, and choosing what the system says follows the system again', async () => {
  await using visitor = await Visitor.open(chromium.browser, url, { colorScheme: 'light' });
  const { page } = visitor;
  const theme = () => page.locator('html').getAttribute('data-theme');
  await page.getByRole('button', { name: 'Switch to the dark theme' }).click();
  expect(await theme()).toBe('dark');
  await page.reload();
  expect(await theme()).toBe('dark');
  await page.getByRole('button', { name: 'Switch to the light theme' }).click();
  expect(await theme()).toBeNull();
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.getByRole('button', { name: 'Switch to the light theme' }).waitFor();
});

it('a like is shown at once, and taken back with the reason when it is refused', async () => {
  await using visitor = await Visitor.open(chromium.browser, url);
  await visitor.register('Ada');
  await visitor.open('Leaving politely');
  const like = visitor.at('like');
  const before = await visitor.at('like-count').textContent();
  const answering = new AbortController();
  await visitor.page.route('**/like', async (route) => {
    await once(answering.signal, 'abort');
    await route.fulfill({ status: 403, json: { title: 'Forbidden', detail: 'Not today.' } });
  });
  await like.click();
  expect(await like.getAttribute('aria-pressed')).toBe('true');
  expect(await visitor.at('like-count').textContent()).not.toBe(before);
  answering.abort();
  await visitor.at('problem').getByText('Not today.').waitFor();
  expect(await like.getAttribute('aria-pressed')).toBe('false');
  expect(await visitor.at('like-count').textContent()).toBe(before);
});

it('a page that nothing can be loaded for says so, and loads when asked again', async () => {
  await using visitor = await Visitor.come(chromium.browser);
  const { page } = visitor;
  await page.route('**/api/v1/posts**', (route) =>
    route.fulfill({ status: 500, json: { detail: 'Broken.' } }),
  );
  // With a stream it would try again by itself.
  await page.route('**/api/v1/notifications/**', (route) => route.abort());
  await page.goto(url);
  await visitor.at('list-failed').waitFor();
  await page.unroute('**/api/v1/posts**');
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await visitor.at('post-item').first().waitFor();
});

it('a post that does not exist, and one that goes while it is read, are said to be gone', async () => {
  await using visitor = await Visitor.open(chromium.browser, `${url}/#/posts/999999`);
  await visitor.at('post-gone').waitFor();
  const author = new BlogClient();
  await author.register(url, 'Ada');
  const { body } = await author.post(`${url}/api/posts`, { title: 'Soon gone', body: '-' });
  await visitor.open('Soon gone');
  await author.send('DELETE', `${url}/api/posts/${body.id}`);
  await visitor.at('post-gone').waitFor();
  await visitor.at('post-item').getByText('Soon gone').waitFor({ state: 'detached' });
});

it('what an event made old is asked for with the proof that the event brought', async () => {
  const author = new BlogClient();
  await author.register(url, 'Ada');
  const { body } = await author.post(`${url}/api/posts`, { title: 'v1', body: '-' });
  await using visitor = await Visitor.open(chromium.browser, `${url}/#/posts/${body.id}`);
  await visitor.at('open-title').getByText('v1').waitFor();
  await waitFor(async () => (await visitor.readers()) === 'You'); // it hears whatever comes now
  const refetch = visitor.page.waitForRequest(
    (request) => request.url().endsWith(`/posts/${body.id}`) && 'pando-token-blog' in request.headers(),
  );
  await author.send('PATCH', `${url}/api/posts/${body.id}`, { body: { title: 'v2' } });
  const answer = await (await refetch).response();
  expect(await answer?.json()).toMatchObject({ title: 'v2' });
  await visitor.at('open-title').getByText('v2').waitFor();
});

it('of a channel that cannot say what was missed everything is read again, and the chat says so', async () => {
  await using visitor = await Visitor.open(chromium.browser, `${url}/#/posts/1`);
  await visitor.at('open-title').waitFor();
  const say = (event: string, c: string, more: object) =>
    `event: ${event}\ndata: ${JSON.stringify({ c, i: '0-0~x', ...more })}\n\n`;
  const chat = 'chat:blog:2';
  const lost = [
    say('reset', 'notifications', { reason: 'trimmed' }),
    say('sub', chat, { recovered: false }),
    say('reset', chat, { reason: 'trimmed' }),
    say('sub', `${chat}#p`, { recovered: false }),
    'event: cursor\nid: c1\ndata:\n\n',
  ];
  await visitor.page.route('**/sse?**', (route) =>
    route.fulfill({
      contentType: 'text/event-stream',
      body: lost.join(''),
    }),
  );
  const read = Promise.all(
    ['posts?*', 'posts/2', 'posts/2/comments?*', 'posts/2/readers'].map((path) =>
      visitor.page.waitForResponse(`**/api/v1/${path}`),
    ),
  );
  await visitor.open('Reading your own writes');
  await read;
  await visitor.at('chat-lines').getByText('Some messages may be missing here.').first().waitFor();
  await visitor.page.unroute('**/sse?**');
  await visitor.page.locator('[data-testid=live][data-state=live]').waitFor();
});

it('the latest comments of a long discussion are shown, and the earlier ones when asked for', async () => {
  const author = new BlogClient();
  await author.register(url, 'Ada');
  const { body } = await author.post(`${url}/api/posts`, { title: 'Long', body: '-' });
  for (let n = 1; n <= 110; n++) await author.post(`${url}/api/posts/${body.id}/comments`, { body: `${n}` });
  await using visitor = await Visitor.open(chromium.browser, `${url}/#/posts/${body.id}`);
  const from = async (first: number) => {
    const all = Array.from({ length: 110 - first + 1 }, (_, index) => `${first + index}`);
    await waitFor(async () => (await visitor.comments()).length === all.length, { message: `from ${first}` });
    expect(await visitor.comments()).toEqual(all);
  };
  await from(51);
  await visitor.page.getByRole('button', { name: 'Show 50 earlier' }).click();
  await from(1);
});

it('a sign-in that is refused says why, and no more of it once an account is made instead', async () => {
  await using visitor = await Visitor.open(chromium.browser, url);
  await visitor.at('sign-in').click();
  await visitor.at('email').fill('nobody@example.com');
  await visitor.at('password').fill('short');
  await visitor.at('account-submit').click();
  await visitor.at('account-error').getByText('is wrong').waitFor();
  await visitor.at('account-mode').click();
  expect(await visitor.texts('account-error')).toEqual(['']);
  expect(await visitor.at('password').getAttribute('minlength')).toBe('8');
});

it('a keyboard is enough', async () => {
  await using visitor = await Visitor.open(chromium.browser, url, { viewport: { width: 360, height: 740 } });
  const { keyboard } = visitor.page;
  const focused = () => visitor.page.evaluate('document.activeElement.textContent.trim()');
  await visitor.at('post-item').first().waitFor();
  await keyboard.press('Tab');
  expect(await focused()).toBe('Skip to the posts');
  await keyboard.press('Enter');
  await keyboard.press('Tab');
  const title = await visitor.at('post-title').first().textContent();
  expect(await focused()).toContain(title);
  const outline = "getComputedStyle(document.activeElement).outlineStyle !== 'none'";
  expect(await visitor.page.evaluate(outline)).toBe(true);
  await keyboard.press('Enter');
  await visitor.at('open-title').waitFor();
  await waitFor(async () => (await focused()) === title); // who opened a post reads on there
});
