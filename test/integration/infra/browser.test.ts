import { expect, test } from 'vitest';
import { launchBrowser } from '../../infra/browser.js';
import { startInstances } from '../../infra/instances.js';

test('a browser reads an event stream of an instance', async () => {
  await using group = await startInstances({
    entry: new URL('../../fixtures/tiny-app.ts', import.meta.url).pathname,
  });
  await using started = await launchBrowser();
  const page = await started.browser.newPage();
  await page.goto(`${group.urls[0]}/who`);
  expect(await page.textContent('body')).toBe('hello from 1');
  const event = await page.evaluate(
    () =>
      new Promise((resolve) =>
        Object.assign(new EventSource('/events'), {
          onmessage: (message: MessageEvent) => resolve(message.data),
        }),
      ),
  );
  expect(Number(event)).toBeGreaterThan(0);
});
