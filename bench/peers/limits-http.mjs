/**
 * What a limit costs a server: CPU time for each request, beside the bare framework and its own limiters on Redis.
 *
 * 64 connections ask without a pause, from a process of their own. Ours is the adapter with everything that it does for a
 * request: context, metrics and token headers, not the limit alone.
 */
import { Child } from '../harness/child.mjs';
import { cpuMicros } from '../harness/measures.mjs';

const load = { workers: 1, batch: 500 };
const connections = 64;
const windowMs = 3_600_000;
const endless = 1_000_000_000;

/** One policy at one route: requests that all pass, and requests that are all refused. */
const costs = (framework, Framework, limiter, limiterName, least) =>
  [
    ['allowed', 'Allowed', 'all pass'],
    ['refused', 'Refused', 'all are refused'],
  ].flatMap(([kind, Kind, how]) => [
    {
      what: `a request to ${Framework} under one limit in Redis, where ${how}, beside one without a limit`,
      ours: `pando${Framework}${Kind}`,
      theirs: `bare${Framework}`,
      peer: framework,
      load,
      rows: {
        [`limits.http.${kind}.cpu.vs-${framework}`]: { ...cpuMicros('request'), target: least[kind] },
      },
    },
    {
      what: `a request to ${Framework} under one limit in Redis, where ${how}`,
      ours: `pando${Framework}${Kind}`,
      theirs: `${limiterName}${Kind}`,
      peer: limiter,
      load,
      rows: {
        [`limits.http.${kind}.cpu.vs-${limiter.replace('@', '').replace('/', '-')}`]: {
          ...cpuMicros('request'),
          target: 1,
        },
      },
    },
  ]);

export const comparisons = [
  ...costs('express', 'Express', 'express-rate-limit', 'expressRateLimit', { allowed: 0.89, refused: 0.95 }),
  ...costs('fastify', 'Fastify', '@fastify/rate-limit', 'fastifyRateLimit', { allowed: 0.69, refused: 0.95 }),
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

/** Lets a process of its own ask the server that listens there. */
async function asked(port, status) {
  const clients = new Child(new URL('http-load-process.mjs', import.meta.url), 'The clients');
  await clients.ask('open', { port, connections });
  return { run: (count) => clients.ask('fire', { count, status }) };
}

const body = { id: 7, title: 'Roots', body: 'One tree.' };
const limitOf = (status) => (status === 200 ? endless : 1);

/** One request is let in beforehand, where the others are to be refused. */
async function measured(port, status) {
  if (status !== 200) await fetch(`http://127.0.0.1:${port}/`);
  return asked(port, status);
}

async function pandoOf({ redisUrl }, status) {
  const { createPando } = await import('@pando/core');
  return createPando({
    name: `bench-${process.pid}`,
    redis: redisUrl,
    limits: { policies: { api: { limit: limitOf(status), windowMs } }, decisionTimeoutMs: 10_000 },
    lifecycle: { signals: false },
  });
}

async function listening(app) {
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return server.address().port;
}

async function expressApp(...before) {
  const { default: express } = await import('express');
  const app = express();
  app.get('/', ...before, (_request, response) => void response.json(body));
  return app;
}

export async function bareExpress() {
  return asked(await listening(await expressApp()), 200);
}

async function pandoExpress(settings, status) {
  const { pandoExpress: adapter } = await import('@pando/express-adapter');
  const { limit, listen } = adapter(await pandoOf(settings, status));
  const app = await expressApp(limit('api'));
  const { port } = await listen(app, { port: 0, host: '127.0.0.1', signals: false });
  return measured(port, status);
}

export const pandoExpressAllowed = (settings) => pandoExpress(settings, 200);
export const pandoExpressRefused = (settings) => pandoExpress(settings, 429);

async function expressRateLimit({ redisUrl }, status) {
  const { rateLimit } = await import('express-rate-limit');
  const { RedisStore } = await import('rate-limit-redis');
  const { Redis } = await import('ioredis');
  const redis = new Redis(redisUrl);
  const limit = rateLimit({
    windowMs,
    limit: limitOf(status),
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    store: new RedisStore({
      prefix: `erl-${process.pid}:`,
      sendCommand: (...command) => redis.call(...command),
    }),
  });
  return measured(await listening(await expressApp(limit)), status);
}

export const expressRateLimitAllowed = (settings) => expressRateLimit(settings, 200);
export const expressRateLimitRefused = (settings) => expressRateLimit(settings, 429);

async function fastifyApp() {
  const { default: fastify } = await import('fastify');
  return fastify();
}

async function fastifyPort(app) {
  return Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port);
}

export async function bareFastify() {
  const app = await fastifyApp();
  app.get('/', async () => body);
  return asked(await fastifyPort(app), 200);
}

async function pandoFastify(settings, status) {
  const { pandoFastify: plugin } = await import('@pando/fastify-adapter');
  const app = await fastifyApp();
  await app.register(plugin, { pando: await pandoOf(settings, status) });
  app.get('/', { config: { pando: { limit: 'api' } } }, async () => body);
  return measured(await fastifyPort(app), status);
}

export const pandoFastifyAllowed = (settings) => pandoFastify(settings, 200);
export const pandoFastifyRefused = (settings) => pandoFastify(settings, 429);

async function fastifyRateLimit({ redisUrl }, status) {
  const { default: plugin } = await import('@fastify/rate-limit');
  const { Redis } = await import('ioredis');
  const app = await fastifyApp();
  await app.register(plugin, {
    max: limitOf(status),
    timeWindow: windowMs,
    redis: new Redis(redisUrl),
    nameSpace: `frl-${process.pid}:`,
  });
  app.get('/', async () => body);
  return measured(await fastifyPort(app), status);
}

export const fastifyRateLimitAllowed = (settings) => fastifyRateLimit(settings, 200);
export const fastifyRateLimitRefused = (settings) => fastifyRateLimit(settings, 429);
