import { once } from 'node:events';
import { request as ask, IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { createPando } from '@pando/core';
import { pandoExpress } from '@pando/express-adapter';
import type { Request, Response } from 'express';
import { describe, expect, it } from 'vitest';
import { ShapedRequest, ShapedResponse } from '../src/shaped-messages.js';
import { frameworks } from './frameworks.js';

/** What Express sets that has no place: Express 4 the query, which is a getter in Express 5, and routers a symbol of theirs. */
const placeless = ['query', 'Symbol(router.tracing.matchedRoute)'];
/** What Node sets by itself: before anybody sees the response, and on requests that are listened to. */
const ofNode = ['_maxRequestsPerSocket', 'Symbol(kUniqueHeaders)', '_eventsCount'];

const namesOf = (message: object) => Reflect.ownKeys(message).map(String);

describe.each(Object.entries(frameworks))('what %s sets on messages', (_name, framework) => {
  it('has a place from the start', async () => {
    await using pando = await createPando({ lifecycle: { signals: false, readinessDelayMs: 0 } });
    const { context, listen } = pandoExpress(pando);
    const app = framework();
    const router = framework.Router();
    app.use(context());
    app.use('/mounted', router);
    const seen: { readonly req: Request; readonly res: Response }[] = [];
    router.get('/:name', (req: Request, res: Response) => {
      res.on('finish', () => seen.push({ req, res }));
      res.status(201).send(req.params.name);
    });
    const serving = await listen(app, { port: 0, host: '127.0.0.1' });
    const asked = ask({ port: serving.port, host: '127.0.0.1', path: '/mounted/leaf?a=1' }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    expect([answer.statusCode, answer.statusMessage]).toEqual([201, 'Created']);
    await once(answer.resume(), 'end');
    await serving.close();

    const fresh = new ShapedRequest(new Socket());
    const places = [fresh, new ShapedResponse(fresh)].flatMap(namesOf).concat(placeless, ofNode);
    const [sent] = seen as [{ req: Request; res: Response }];
    expect([sent.req, sent.res].flatMap(namesOf).filter((name) => !places.includes(name))).toEqual([]);
  });
});

it('leaves the head to whoever a prototype says', () => {
  const response = new ShapedResponse(new IncomingMessage(new Socket()));
  const heads: unknown[][] = [];
  class Watched extends ServerResponse {
    override writeHead(...given: unknown[]): this {
      heads.push(given);
      return this;
    }
  }
  Object.setPrototypeOf(response, Watched.prototype);
  response.writeHead(204, { 'x-one': '1' });
  expect(heads).toEqual([[204, { 'x-one': '1' }]]);
});
