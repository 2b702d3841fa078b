import { expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import { launchBrowser } from '../infra/browser.js';
import { testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const CLIENTS = testSize() === 'full' ? 1_000 : 60;

it('an instance that is killed under load: its clients go on elsewhere, and lose and repeat nothing', async () => {
  await using redis = await startRedis();
  await using site = await Site.start({ redis: () => redis.url });
  await using chromium = await launchBrowser();
  await site.followInPage(await chromium.browser.newPage());
  for (let n = 0; n < CLIENTS; n++) {
    const channels = n % 3 === 0 ? site.channels : [site.channels[n % 3] as string];
    if (n % 4 === 0) site.followStream('eventsource', channels);
    else if (n % 4 === 1) site.followStream('undici', channels);
    else if (n % 4 === 2) site.followLive(n % 8 === 2 ? 'sse' : 'ws', channels);
    else site.followSocket(channels);
  }
  await site.settled();
  const load = site.load();
  await site.published(100);
  const before = site.ears.map(({ connections }) => connections);
  await site.instance(1).kill();
  await site.published(300);
  await site.instance(1).restart();
  await load.stop();
  await site.caughtUp();
  expect(site.verifier.resets().flat()).toEqual([]);
  const moved = site.ears.filter(({ connections }, at) => connections > (before[at] ?? 0)).length;
  expect(moved).toBeGreaterThan(CLIENTS / 6);
  expect(site.ears.some(({ hasGivenUp }) => hasGivenUp)).toBe(false);
  console.log(`${site.verifier.confirmed} published, ${site.verifier.messages} seen, ${moved} clients moved`);
});
