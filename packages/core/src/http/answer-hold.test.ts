import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { holdAnswer } from './answer-hold.js';

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers with `answer`, held until what it returns is called. */
async function held(answer: (response: ServerResponse) => void) {
  let letGo = (): void => undefined;
  const waiting = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const url = await serve((_request, response) => {
    holdAnswer(response, () => waiting);
    answer(response);
    begin();
  });
  let hasHead = false;
  const answered = fetch(url).then((response) => {
    hasHead = true;
    return response;
  });
  await begun;
  return { answered, letGo, hasHead: () => hasHead };
}

test('an answer given whole leaves with its head when there is nothing to wait for any more', async () => {
  const { answered, letGo, hasHead } = await held((response) => {
    response.end('whole ✓');
    expect(response.headersSent).toBe(true);
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(hasHead()).toBe(false);
  letGo();
  const response = await answered;
  expect(response.headers.get('content-length')).toBe('9');
  expect(await response.text()).toBe('whole ✓');
});

test('what comes after the end changes nothing', async () => {
  const { answered, letGo } = await held((response) => {
    response.end('first');
    response.statusCode = 500;
    response.write('in front');
    response.end('second');
  });
  letGo();
  const response = await answered;
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('first');
});

test('what is streamed leaves at once, and only its end waits', async () => {
  const { answered, letGo } = await held((response) => {
    response.write('streamed ');
    response.end('end');
  });
  const response = await answered;
  letGo();
  expect(await response.text()).toBe('streamed end');
});

test('an answer without a body gets none', async () => {
  const { answered, letGo } = await held((response) => {
    response.writeHead(204).end();
  });
  letGo();
  const response = await answered;
  expect(response.status).toBe(204);
  expect(response.headers.get('content-length')).toBeNull();
});

test('nothing waits where there is no reason to', async () => {
  const url = await serve((_request, response) => {
    holdAnswer(response, () => undefined);
    response.end('at once');
    expect(response.writableEnded).toBe(true);
  });
  expect(await (await fetch(url)).text()).toBe('at once');
});
