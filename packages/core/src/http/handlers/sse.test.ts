import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createKernel } from '../../kernel/kernel.js';
import type { Outlet } from '../../kernel/outlet.js';
import { SharedBytes } from '../../kernel/shared-bytes.js';
import type { Connection, SseSession } from '../../realtime/index.js';
import { ClientAddresses } from '../clients.js';
import type { Kit } from '../kit.js';
import { NodeExchange } from '../node-exchange.js';
import { StreamGate } from '../stream-gate.js';
import { SseHandler } from './sse.js';

const pieces = (text: string) => [new SharedBytes(Buffer.from(text))];

const servers: (() => void)[] = [];
afterEach(() => {
  for (const close of servers.splice(0)) close();
});

/** Serves a stream that behaves as told. Failures before the first bytes are answered with 418. */
async function serve(openSse: (outlet: Outlet, session: SseSession) => Promise<Connection>) {
  const warned: unknown[] = [];
  const quiet = () => undefined;
  const logger = {
    debug: quiet,
    info: quiet,
    error: quiet,
    warn: (fields: Record<string, unknown>) => void warned.push(fields.err),
  };
  const kit = {
    kernel: createKernel({ logger }),
    lifecycle: { draining: new AbortController().signal },
    realtime: { openSse, refusal: () => undefined },
  } as unknown as Kit;
  const handler = new SseHandler(kit, new StreamGate(kit), new ClientAddresses(undefined, logger));
  const server = createServer((request, response) => {
    const exchange = new NodeExchange(request, response);
    handler
      .open(exchange, { channels: ['news'] }, 0)
      .catch((error: Error) => exchange.reply(418, {}, error.message));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, warned };
}

test('a failure before the first bytes is an ordinary failure', async () => {
  const { url } = await serve(() => Promise.reject(new Error('no room')));
  const answer = await fetch(url);
  expect([answer.status, await answer.text()]).toEqual([418, 'no room']);
});

test('a failure after the first bytes ends the stream in order, and is logged', async () => {
  const failure = new Error('lost');
  const { url, warned } = await serve(async (outlet) => {
    outlet.write(pieces('retry: 1000\n\n'));
    throw failure;
  });
  const answer = await fetch(url);
  expect([answer.status, await answer.text()]).toEqual([200, 'retry: 1000\n\n']);
  expect(warned).toEqual([failure]);
});
