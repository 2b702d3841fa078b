import { createPando, type Pando } from '@pando/core';
import { pandoExpress } from '@pando/express-adapter';
import express from 'express';
import { expect, it, onTestFinished } from 'vitest';

/** One application behind two kits, as when a part of it brought its own. */
async function applicationOf(one: Pando, two: Pando): Promise<string> {
  const adapters = [pandoExpress(one), pandoExpress(two)] as const;
  const app = express();
  for (const { context } of adapters) app.use(context());
  app.post('/one', async (_request, response) => {
    await one.cache.invalidate(['posts']);
    response.end();
  });
  app.post('/both', async (_request, response) => {
    await Promise.all([one.cache.invalidate(['posts']), two.cache.invalidate(['posts'])]);
    response.end();
  });
  const serving = await adapters[0].listen(app, { port: 0, host: '127.0.0.1' });
  onTestFinished(() => serving.close());
  return serving.url;
}

const cookieNames = (response: Response): string[] =>
  response.headers
    .getSetCookie()
    .map((cookie) => cookie.slice(0, cookie.lastIndexOf('.', cookie.indexOf('='))));

it('two kits on one request use headers and cookies of their own, and read none of the other', async () => {
  const secret = 'the same on both: names alone keep them apart';
  const options = { secret, lifecycle: { signals: false } } as const;
  const [one, two] = [
    await createPando({ ...options, name: 'shop' }),
    await createPando({ ...options, name: 'shop-2' }),
  ];
  onTestFinished(async () => {
    await Promise.all([one.close(), two.close()]);
  });
  const url = await applicationOf(one, two);

  const wroteOne = await fetch(`${url}/one`, { method: 'POST' });
  expect([...wroteOne.headers.keys()].filter((name) => name.startsWith('pando-token'))).toEqual([
    'pando-token-shop',
  ]);
  expect(cookieNames(wroteOne)).toEqual(['pando.shop']);

  const wroteBoth = await fetch(`${url}/both`, { method: 'POST' });
  expect(cookieNames(wroteBoth).sort()).toEqual(['pando.shop', 'pando.shop-2']);

  // The token of one, under the header of the other, is nobody's.
  const token = wroteOne.headers.get('pando-token-shop') ?? '';
  const smuggled = await fetch(`${url}/one`, { method: 'POST', headers: { 'pando-token-shop-2': token } });
  expect(smuggled.headers.get('pando-token-shop-2')).toBeNull();
  expect(await two.metrics.expose()).toContain('pando_http_tokens_ignored_total{reason="foreign"} 1');
  expect(await one.metrics.expose()).toContain('pando_http_tokens_ignored_total{reason="foreign"} 0');
});
