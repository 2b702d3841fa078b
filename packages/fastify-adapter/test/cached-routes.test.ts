import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { createPando, type Pando } from '@pando/core';
import { pandoFastify } from '@pando/fastify-adapter';
import Fastify, { type FastifyInstance } from 'fastify';
import { expect, it } from 'vitest';
import { waitFor } from '../../core/src/testing/wait-for.js';

interface Running extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly pando: Pando;
  unstored(reason: string): Promise<boolean>;
}

const cached = { config: { pando: { cache: { tags: ['page'] } } } };

/** An application with the plugin, on a kit of its own; `first` comes before it. */
async function application(
  build: (app: FastifyInstance, pando: Pando) => void,
  first: (app: FastifyInstance) => void = () => undefined,
): Promise<Running> {
  const pando = await createPando({ lifecycle: { signals: false, readinessDelayMs: 0 } });
  const app = Fastify();
  first(app);
  await app.register(pandoFastify, { pando });
  build(app, pando);
  return {
    app,
    pando,
    async unstored(reason) {
      const series = `pando_http_cache_unstored_total{reason="${reason}"} 1`;
      return (await pando.metrics.expose()).includes(series);
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await pando.close();
    },
  };
}

it('what handlers return is serialised once, and answered as it was', async () => {
  let runs = 0;
  await using running = await application((app) => {
    app.get('/object', cached, async () => ({ run: ++runs }));
    app.get('/text', cached, async () => 'ü');
    app.get('/bytes', cached, async (_request, reply) => reply.type('image/png').send(Buffer.from([0, 255])));
    app.get('/typed', cached, async () => new Uint8Array([1, 2, 3]).subarray(1));
    app.get('/nothing', cached, async (_request, reply) => reply.send());
  });
  for (const url of ['/object', '/text', '/bytes', '/typed', '/nothing']) {
    const [first, second] = [await running.app.inject(url), await running.app.inject(url)];
    expect([first.headers.age, second.headers.age]).toEqual([undefined, '0']);
    expect(second.rawPayload).toEqual(first.rawPayload);
    expect(second.headers['content-length']).toBe(first.headers['content-length']);
    if (url !== '/nothing') expect(second.headers['content-type']).toBe(first.headers['content-type']);
  }
  expect(runs).toBe(1);
});

it('HEAD is answered by the route that Fastify adds for it', async () => {
  let runs = 0;
  await using running = await application((app) => {
    app.get('/page', cached, async () => `run ${++runs}`);
  });
  await running.app.inject('/page');
  const head = await running.app.inject({ method: 'HEAD', url: '/page' });
  expect([head.statusCode, head.body, head.headers['content-length'], runs]).toEqual([200, '', '5', 1]);
});

it('streams pass through, and are not stored', async () => {
  await using running = await application((app) => {
    app.get('/page', cached, async (_request, reply) => reply.send(Readable.from(['a', 'b'])));
  });
  for (let n = 0; n < 2; n++) {
    const answer = await running.app.inject('/page');
    expect([answer.body, answer.headers.age]).toEqual(['ab', undefined]);
  }
  expect(await running.unstored('stream')).toBe(true);
});

it('what is written past Fastify is not stored', async () => {
  await using running = await application((app) => {
    app.get('/page', cached, (_request, reply) => {
      reply.hijack();
      reply.raw.end('raw');
    });
    app.get(
      '/events',
      cached,
      app.pando.sse(() => ({ channels: ['news'] })),
    );
  });
  const { url } = await running.app.pando.listen({ port: 0, host: '127.0.0.1' });
  for (let n = 0; n < 2; n++) {
    const answer = await fetch(`${url}/page`);
    expect([await answer.text(), answer.headers.has('age')]).toEqual(['raw', false]);
  }
  const stream = await fetch(`${url}/events`);
  expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  await waitFor(() => running.pando.realtime.connections === 1);
  await stream.body?.cancel();
});

it('hooks up to preHandler run on every request, and onSend hooks on every answer', async () => {
  const order: string[] = [];
  await using running = await application((app) => {
    app.addHook('preHandler', async () => void order.push('preHandler'));
    app.addHook('onSend', async (_request, reply, payload) => {
      order.push('onSend');
      reply.header('x-signed', 'yes');
      return `${payload}!`;
    });
    app.addHook('onResponse', async () => void order.push('onResponse'));
    app.get('/page', { ...cached, preHandler: async () => void order.push('own') }, async () => {
      order.push('handler');
      return 'page';
    });
  });
  const answers = [await running.app.inject('/page'), await running.app.inject('/page')];
  expect(answers.map(({ body, headers }) => [body, headers['x-signed']])).toEqual([
    ['page!', 'yes'],
    ['page!', 'yes'],
  ]);
  await waitFor(() => order.length === 9);
  expect(order.filter((step) => step === 'handler')).toHaveLength(1);
  for (const step of ['preHandler', 'own', 'onSend', 'onResponse']) {
    expect(order.filter((other) => other === step)).toHaveLength(2);
  }
});

/** A hook that compresses, as those of packages do. */
const compress = (app: FastifyInstance): void =>
  void app.addHook('onSend', async (request, reply, payload) => {
    reply.header('vary', 'Accept-Encoding');
    if (!request.headers['accept-encoding']?.includes('gzip') || reply.hasHeader('content-encoding'))
      return payload;
    reply.header('content-encoding', 'gzip');
    reply.removeHeader('content-length');
    return gzipSync(payload as string);
  });

it.each(['before', 'behind'])(
  'a hook %s it that compresses is asked for no encoding twice',
  async (place) => {
    let runs = 0;
    const build = (app: FastifyInstance): void => {
      if (place === 'behind') compress(app);
      app.get('/page', cached, async () => {
        runs++;
        return 'x'.repeat(2_000);
      });
    };
    await using running = await application(build, place === 'before' ? compress : undefined);
    const { url } = await running.app.pando.listen({ port: 0, host: '127.0.0.1' });
    const ask = async (encoding: string) => {
      const answer = await fetch(`${url}/page`, { headers: { 'accept-encoding': encoding } });
      expect(await answer.text()).toBe('x'.repeat(2_000));
      return answer.headers.get('content-encoding');
    };
    for (let n = 0; n < 3; n++) expect([await ask('gzip'), await ask('identity')]).toEqual(['gzip', null]);
    // In front of it: one run tells that encodings differ, then each has its own.
    expect(runs).toBe(place === 'before' ? 3 : 1);
  },
);

it('an answer to which a later hook adds a cookie is not stored', async () => {
  await using running = await application((app) => {
    app.addHook('onSend', async (_request, reply) => void reply.header('set-cookie', 'session=1'));
    app.get('/page', cached, async () => 'page');
  });
  for (let n = 0; n < 2; n++) expect((await running.app.inject('/page')).headers.age).toBeUndefined();
  expect(await running.unstored('cookie')).toBe(true);
});

it('a failure in a later hook is answered as ever', async () => {
  let isBroken = true;
  await using running = await application((app) => {
    app.addHook('onSend', async (_request, reply) => {
      if (isBroken && reply.statusCode === 200) throw new Error('broken hook');
    });
    app.get('/page', cached, async () => 'page');
  });
  expect((await running.app.inject('/page')).statusCode).toBe(500);
  isBroken = false;
  expect((await running.app.inject('/page')).body).toBe('page');
});
