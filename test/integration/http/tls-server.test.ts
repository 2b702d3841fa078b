import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, get } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { createPando } from '@pando/core';
import { createTemporaryFolder, waitFor } from '@pando/core/testing';
import { pandoExpress } from '@pando/express-adapter';
import express from 'express';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createCertificate } from '../../infra/certificate.js';

it('a TLS connection that a browser opened in advance does not hold up the end of its server', async () => {
  await using folder = await createTemporaryFolder('pando-tls-');
  const { ca } = await createCertificate(folder.path);
  const [cert, key] = await Promise.all(
    ['server.crt', 'server.key'].map((name) => readFile(join(folder.path, name))),
  );
  await using pando = await createPando({ lifecycle: { signals: false, exit: false } });
  const server = createServer({ cert, key }, express());
  const { listen } = pandoExpress(pando);
  const serving = await listen(server, { port: 0, host: '127.0.0.1', closeTimeoutMs: 5_000 });
  const advance = connect({ port: serving.port, host: '127.0.0.1', ca });
  await once(server, 'secureConnection');
  const beganAt = performance.now();
  await serving.close();
  expect(performance.now() - beganAt).toBeLessThan(4_000);
  advance.destroy();
});

it('event streams and WebSockets over TLS get every message whole and in order', async () => {
  await using folder = await createTemporaryFolder('pando-tls-');
  const { ca } = await createCertificate(folder.path);
  const [cert, key] = await Promise.all(
    ['server.crt', 'server.key'].map((name) => readFile(join(folder.path, name))),
  );
  await using pando = await createPando({ lifecycle: { signals: false, exit: false } });
  const app = express();
  const { listen, sse } = pandoExpress(pando);
  app.get(
    '/events',
    sse(() => ({ channels: ['one'] })),
  );
  const ws = { path: '/ws', channels: () => ['one', 'two'] };
  const serving = await listen(createServer({ cert, key }, app), { port: 0, host: '127.0.0.1', ws });
  let streamed = '';
  const stream = get({ port: serving.port, host: '127.0.0.1', path: '/events', ca }, (answer) =>
    answer.setEncoding('utf8').on('data', (part: string) => {
      streamed += part;
    }),
  );
  const frames: { readonly t: string; readonly c: string; readonly d: string }[] = [];
  const socket = new WebSocket(`wss://127.0.0.1:${serving.port}/ws`, 'pando.v1', { ca });
  socket.on('message', (frame) => frames.push(JSON.parse(String(frame))));
  await waitFor(() => streamed.includes('event: cursor') && frames.length === 2);
  const texts = ['short', 'x'.repeat(126), 'é'.repeat(40_000), 'y'.repeat(200_000), 'last'];
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      texts.flatMap((text) => ['one', 'two'].map((channel) => pando.realtime.publish(channel, text))),
    );
  }
  const expected = [...texts, ...texts, ...texts];
  const heard = (channel: string) =>
    frames.filter(({ t, c }) => t === 'm' && c === channel).map(({ d }) => d);
  const read = () =>
    [...streamed.matchAll(/^data: (".*")\n\n/gm)].map(([, json]) => JSON.parse(json as string));
  await waitFor(() => heard('two').length === expected.length && read().length === expected.length);
  expect([heard('one'), heard('two'), read()]).toEqual([expected, expected, expected]);
  stream.destroy();
  socket.terminate();
  await serving.close();
});
