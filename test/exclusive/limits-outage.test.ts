import { setTimeout as delay } from 'node:timers/promises';
import { createPando, type Pando } from '@pando/core';
import { waitFor } from '@pando/core/testing';
import { pandoExpress } from '@pando/express-adapter';
import { pandoFastify } from '@pando/fastify-adapter';
import express from 'express';
import { fastify } from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { testSize } from '../infra/context.js';
import { type RedisServer, startRedis } from '../infra/redis.js';

const outageMs = testSize() === 'full' ? 8_000 : 1_600;
const everyMs = 100;
const decisionTimeoutMs = 100;
/** What a busy machine may add to a promised bound. */
const slackMs = 1_000;
const limit = 10;

const window = { limit, windowMs: 3_600_000 };
const policies = {
  open: { windows: window, onUnavailable: 'open' },
  closed: { windows: window, onUnavailable: 'closed' },
  local: { windows: window, onUnavailable: 'local' },
  leased: { windows: window, onUnavailable: 'local', lease: true },
} as const;
type PolicyName = keyof typeof policies;
const names = Object.keys(policies) as PolicyName[];

const servers = {
  async Express(kit: Pando): Promise<string> {
    const { context, limit: limited, listen } = pandoExpress(kit);
    const app = express();
    app.use(context());
    for (const name of names) {
      const key = (request: express.Request) => request.get('x-key') ?? 'nobody';
      app.get(`/${name}`, limited(name, { key }), (_request, response) => void response.json({}));
    }
    return (await listen(app, { port: 0, host: '127.0.0.1' })).url;
  },
  async Fastify(kit: Pando): Promise<string> {
    const app = fastify();
    await app.register(pandoFastify, { pando: kit });
    for (const policy of names) {
      const key = ({ headers }: { headers: NodeJS.Dict<string | string[]> }) => String(headers['x-key']);
      app.get(`/${policy}`, { config: { pando: { limit: { policy, key } } } }, async () => ({}));
    }
    return (await app.pando.listen({ port: 0, host: '127.0.0.1' })).url;
  },
};

const faults = {
  'is killed': { begin: (redis: RedisServer) => redis.kill(), end: (redis: RedisServer) => redis.restart() },
  hangs: {
    begin: async (redis: RedisServer) => redis.freeze(),
    end: async (redis: RedisServer) => redis.thaw(),
  },
};

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly tookMs: number;
}

async function ask(url: string, policy: PolicyName, key: string): Promise<Answer> {
  const beganAt = performance.now();
  const response = await fetch(`${url}/${policy}`, { headers: { 'x-key': key } });
  await response.arrayBuffer();
  const { status, headers } = response;
  return { status, retryAfter: headers.get('retry-after'), tookMs: performance.now() - beganAt };
}

/** Ten requests a second under every policy, for so long; each is waited for. */
async function load(url: string, key: string): Promise<Record<PolicyName, readonly Answer[]>> {
  const asked: Record<PolicyName, Promise<Answer>[]> = { open: [], closed: [], local: [], leased: [] };
  for (let sent = 0; sent < outageMs / everyMs; sent++) {
    for (const name of names) asked[name].push(ask(url, name, key));
    await delay(everyMs);
  }
  const answers = (name: PolicyName) => Promise.all(asked[name]);
  return {
    open: await answers('open'),
    closed: await answers('closed'),
    local: await answers('local'),
    leased: await answers('leased'),
  };
}

const statusesOf = (answers: readonly Answer[]) => answers.map(({ status }) => status);

describe.each(Object.entries(servers))('on %s', (framework, serve) => {
  it.each(Object.entries(faults))('every request is answered while Redis %s', async (_, fault) => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const kit = await createPando({
      name: `outage-${framework}`,
      redis: redis.url,
      limits: { policies, decisionTimeoutMs },
      lifecycle: { signals: false },
    });
    onTestFinished(() => kit.close());
    const url = await serve(kit);
    for (const name of names) expect((await ask(url, name, 'before')).status).toBe(200);

    await fault.begin(redis);
    const answers = await load(url, 'meanwhile');
    await fault.end(redis);

    for (const name of names) {
      expect(answers[name]).toHaveLength(outageMs / everyMs);
      for (const { tookMs } of answers[name]) expect(tookMs).toBeLessThan(decisionTimeoutMs + slackMs);
    }
    expect(new Set(statusesOf(answers.open))).toEqual(new Set([200]));
    expect(new Set(statusesOf(answers.closed))).toEqual(new Set([503]));
    expect(answers.closed.every(({ retryAfter }) => Number(retryAfter) >= 1)).toBe(true);
    for (const name of ['local', 'leased'] as const) {
      expect(statusesOf(answers[name]).filter((status) => status === 200)).toHaveLength(limit);
      expect(new Set(statusesOf(answers[name]))).toEqual(new Set([200, 429]));
    }
    await waitFor(async () => (await ask(url, 'closed', 'afterwards')).status === 200);
  });
});
