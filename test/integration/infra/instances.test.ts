import { waitFor } from '@pando/core/testing';
import { expect, test } from 'vitest';
import { startInstances } from '../../infra/instances.js';

const entry = new URL('../../fixtures/tiny-app.ts', import.meta.url).pathname;

test('instances of a TypeScript app run as processes of their own and tell how they end', async () => {
  await using group = await startInstances({
    count: 2,
    entry,
    env: (index) => ({ GREETING: `greeting ${index}` }),
  });
  const [first, second] = group.instances;
  expect(new Set(group.ports).size).toBe(2);
  expect(await text(`${first?.url}/who`)).toBe('greeting 0 from 1');
  expect(await text(`${second?.url}/who`)).toBe('greeting 1 from 2');

  expect(await first?.terminate()).toEqual({ code: 7, signal: null });
  expect(first?.output()).toBe('goodbye');
  await second?.kill();
  expect(second?.running).toBe(false);

  await first?.restart();
  expect(await text(`${first?.url}/who`)).toBe('greeting 0 from 1');
});

test('a frozen instance answers nothing until it is thawed', async () => {
  await using group = await startInstances({ entry });
  const [instance] = group.instances;
  instance?.freeze();
  let answered = false;
  const answer = text(`${instance?.url}/who`).then((body) => {
    answered = true;
    return body;
  });
  await expect(waitFor(() => answered, { timeoutMs: 200 })).rejects.toThrow(/in vain/);
  instance?.thaw();
  expect(await answer).toBe('hello from 1');
});

test('an instance that ends at once is reported with what it printed', async () => {
  await expect(startInstances({ entry, env: { PORT: '-1' } })).rejects.toThrow(
    /ended before it was ready(.|\n)*ERR_SOCKET_BAD_PORT/,
  );
});

async function text(url: string): Promise<string> {
  return (await fetch(url)).text();
}
