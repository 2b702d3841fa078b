import { fileURLToPath } from 'node:url';
import { waitFor } from '@pando/core/testing';
import { build } from 'esbuild';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Site } from '../../followers/site.js';
import { launchBrowser, type TestBrowser } from '../../infra/browser.js';
import { testRedis } from '../../infra/context.js';

const { url: redis } = testRedis();
const root = fileURLToPath(new URL('../../../', import.meta.url));

let chromium: TestBrowser;
let site: Site;
/** What a bundler makes of the client: one file, and another one that it loads where tabs share. */
let files: ReadonlyMap<string, string>;
beforeAll(async () => {
  const [browser, started, built] = await Promise.all([
    launchBrowser(),
    Site.start({ redis: () => redis, channels: ['news'] }),
    build({
      entryPoints: ['packages/core/src/client/index.ts'],
      absWorkingDir: root,
      bundle: true,
      write: false,
      format: 'esm',
      splitting: true,
      outdir: '/client',
    }),
  ]);
  [chromium, site] = [browser, started];
  files = new Map(built.outputFiles.map(({ path, text }) => [path, text]));
});
afterAll(async () => {
  await chromium?.close();
  await site?.[Symbol.asyncDispose]();
});

/** A tab that follows the channel over a shared connection, and writes down what it hears. */
async function openTab(context: BrowserContext, transport: 'sse' | 'ws'): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${site.url}/page`);
  await page.route('**/client/*', (route) => {
    const { pathname } = new URL(route.request().url());
    return route.fulfill({ contentType: 'text/javascript', body: files.get(pathname) ?? '' });
  });
  const path = transport === 'sse' ? '/events?channels=news' : '/ws';
  await page.evaluate(`import('/client/index.js').then((pando) => {
    const heard = [];
    const state = { opened: 0 };
    const tell = (Kind) => class extends Kind { constructor(...args) { super(...args); state.opened++; } };
    const live = pando.connect(${JSON.stringify(path)}, {
      transport: ${JSON.stringify(transport)},
      shareTabs: true,
      minDelayMs: 10,
      fetch: (...args) => { state.opened++; return fetch(...args); },
      WebSocket: tell(WebSocket),
    });
    live.subscribe('news', {
      onMessage: ({ data }) => heard.push(data.n),
      onReset: ({ reason }) => heard.push(reason),
      getState: async () => void heard.push('state'),
    });
    Object.assign(window, { heard, live, state });
  })`);
  await waitFor(async () => (await heardIn(page)).includes('state'), { message: 'the tab to begin' });
  return page;
}

const heardIn = (page: Page) => page.evaluate<(number | string)[]>('heard');
const attemptsIn = (page: Page) => page.evaluate<number>('state.opened');

describe.each(['sse', 'ws'] as const)('tabs that share a connection over %s', (transport) => {
  it('have one among them, hear the same, and hear it on when the tab that holds it closes', async () => {
    const context = await chromium.browser.newContext();
    const first = await openTab(context, transport);
    const second = await openTab(context, transport);
    const third = await openTab(context, transport);
    const publish = async () => Number((await site.publish(0, 'news')).length && site.verifier.confirmed);
    const sent: number[] = [];
    for (let n = 0; n < 5; n++) sent.push(await publish());
    for (const tab of [first, second, third]) {
      await waitFor(async () => (await heardIn(tab)).length >= 6, { message: 'the tab to hear it all' });
      expect(await heardIn(tab)).toEqual(['state', ...sent]);
    }
    expect(await attemptsIn(first)).toBe(1);
    expect((await attemptsIn(second)) + (await attemptsIn(third))).toBe(0);

    await first.close();
    for (let n = 0; n < 5; n++) sent.push(await publish());
    for (const tab of [second, third]) {
      await waitFor(async () => (await heardIn(tab)).length >= 11, { message: 'the tab to hear it on' });
      expect(await heardIn(tab)).toEqual(['state', ...sent]);
    }
    expect((await attemptsIn(second)) + (await attemptsIn(third))).toBe(1);
    await context.close();
  }, 60_000);
});
