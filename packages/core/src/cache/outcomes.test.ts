import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createCache } from './create.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Asks for a value, within a request of its own of which only a weak reference is left. */
async function askInRequest(kernel: ReturnType<typeof createKernel>, ask: () => Promise<unknown>) {
  const context = kernel.contexts.open({ id: 'request', signal: new AbortController().signal });
  await kernel.contexts.run(context, ask);
  return new WeakRef(context);
}

it('a value keeps no request in memory that has loaded it or asked for it', async () => {
  const kernel = createKernel();
  await using cache = createCache({}, { kernel });
  await cache.start();
  const ask = () => cache.getOrLoad('x', () => ({ large: true }));
  const requests = [await askInRequest(kernel, ask), await askInRequest(kernel, ask)];
  await askInRequest(kernel, async () => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  expect(cache.peek('x')).toEqual({ large: true });
  expect(requests.map((request) => request.deref())).toEqual([undefined, undefined]);
});
