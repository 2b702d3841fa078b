/** An application of Fastify on one core, with too little behind it: ten connections of 20 ms each, or 4 ms of the processor. */
import { fastify } from 'fastify';
import { serve } from '../harness/child.mjs';

const connections = 10;
const queryMs = 20;
const burnMs = 4;

/** Stands for a pool: so many at once, in order of arrival. */
function createPool() {
  const waiting = [];
  let free = connections;
  const give = () => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return async () => {
    if (free > 0) free -= 1;
    else await new Promise((resolve) => waiting.push(resolve));
    await new Promise((resolve) => setTimeout(resolve, queryMs));
    give();
  };
}

function burn() {
  const until = performance.now() + burnMs;
  while (performance.now() < until);
}

const guards = {
  async none() {},
  async '@pando/core'(app) {
    const { createPando } = await import('@pando/core');
    const { pandoFastify } = await import('@pando/fastify-adapter');
    const pando = await createPando({ overload: {}, lifecycle: { signals: false } });
    const priority = ({ headers }) => (headers['x-critical'] === '1' ? 'critical' : 'normal');
    await app.register(pandoFastify, { pando, priority });
  },
  async '@fastify/under-pressure'(app) {
    const { default: underPressure } = await import('@fastify/under-pressure');
    await app.register(underPressure, { maxEventLoopDelay: 200, sampleInterval: 1_000 });
  },
  async 'toobusy-js'(app) {
    const { default: toobusy } = await import('toobusy-js');
    app.addHook('onRequest', async (_request, reply) => {
      if (toobusy()) return reply.code(503).send();
    });
  },
};

serve({
  async open({ guard }) {
    const app = fastify();
    const query = createPool();
    await guards[guard](app);
    app.get('/database', async () => {
      await query();
      return 'done';
    });
    app.get('/processor', async () => {
      burn();
      return 'done';
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return { port: app.server.address().port };
  },
});
