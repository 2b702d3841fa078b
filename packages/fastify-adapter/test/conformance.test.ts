import { fileURLToPath } from 'node:url';
import { adapterSuite } from '@pando/core/testing/suites';
import { bundleEntry } from '../../../test/infra/bundle-entry.js';
import { testRedis, testSize } from '../../../test/infra/context.js';
import { frameworks } from './frameworks.js';
import { listenWith } from './harness.js';

const { url: redis } = testRedis();
const serveOnce = fileURLToPath(new URL('serve-once.ts', import.meta.url));

function suite(title: string, name: keyof typeof frameworks): void {
  adapterSuite({
    name: title,
    supports: { http2: true, inject: true, cachedRoutes: true },
    redis,
    program: async () => [await bundleEntry(serveOnce), name],
    listen: listenWith(frameworks[name]),
  });
}

suite('Fastify 5', 'fastify');
if (testSize() === 'full') suite('Fastify 5.0.0', 'fastify-lowest');
