import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { createPando } from '@pando/core';
import { createTemporaryFolder } from '@pando/core/testing';
import { pandoExpress } from '@pando/express-adapter';
import express from 'express';
import { expect, it } from 'vitest';
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
