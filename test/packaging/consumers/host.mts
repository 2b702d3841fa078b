/* An ES module app that takes its middleware from a package that is CommonJS. Prints what both know of one request. */
import { createPando, isPandoError } from '@pando/core';
import { LimitExceededError } from '@pando/core/http';
import express, { type NextFunction, type Request, type Response } from 'express';
import { contextSeenByPlugin, middlewareOf } from './plugin.cjs';

const pando = await createPando({ limits: { policies: { one: '1/h' } }, lifecycle: { readinessDelayMs: 0 } });
const { context, limit, listen } = middlewareOf(pando);

let isSameContext = false;
let isSameError = false;

const app = express();
app.use(context());
app.get('/', limit('one'), (_request, response) => {
  isSameContext = pando.kernel.contexts.current() === contextSeenByPlugin(pando);
  response.sendStatus(204);
});
app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
  isSameError = error instanceof LimitExceededError && isPandoError(error);
  response.sendStatus(429);
});

const { url } = await listen(app, { port: 0, host: '127.0.0.1' });
const statuses = [(await fetch(url)).status, (await fetch(url)).status];
await pando.close();
console.log(JSON.stringify({ statuses, isSameContext, isSameError }));
