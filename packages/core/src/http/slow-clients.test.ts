import { createServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { expect, test } from 'vitest';
import { resolveHttpOptions } from './http-options.js';
import { cutSlowClients, type SlowClientOptions, slowClientDefaults } from './slow-clients.js';

/** Fastify gives bodies any time, unless it is told otherwise. */
function fastifyServer(): Server {
  const server = createServer();
  server.requestTimeout = 0;
  return server;
}

/** What a server that was made so is set to. */
function settingsOf(slowClients: false | SlowClientOptions | undefined, made: ServerOptions = {}) {
  const server = createServer(made);
  cutSlowClients(server, resolveHttpOptions({ slowClients }).slowClients);
  const { headersTimeout, requestTimeout } = server;
  const { connectionsCheckingInterval } = server as { readonly connectionsCheckingInterval?: number };
  return [headersTimeout, requestTimeout, connectionsCheckingInterval];
}

test('a head is cut after 10 s, looked for every 5, and a request after a minute', () => {
  expect(settingsOf(undefined)).toEqual([10_000, 60_000, 5_000]);
  const fastify = fastifyServer();
  cutSlowClients(fastify, slowClientDefaults);
  expect(fastify.requestTimeout).toBe(60_000);
});

test('the options say otherwise', () => {
  expect(settingsOf({ headersMs: 400, requestMs: 900 })).toEqual([400, 900, 200]);
  expect(settingsOf({ headersMs: 90_000 })).toEqual([90_000, 90_000, 5_000]);
  expect(settingsOf(false)).toEqual([60_000, 300_000, 30_000]);
});

test('what the application has set itself stays', () => {
  const own = { headersTimeout: 1_000, requestTimeout: 2_000, connectionsCheckingInterval: 500 };
  expect(settingsOf(undefined, own)).toEqual([1_000, 2_000, 500]);
});

test('a server of HTTP/2 has no such settings', () => {
  expect(() => cutSlowClients(createHttp2Server(), { headersMs: 1, requestMs: 1 })).not.toThrow();
});

test('a whole request may not take less than its head', () => {
  expect(() => resolveHttpOptions({ slowClients: { headersMs: 1_000, requestMs: 999 } })).toThrow(
    'http.slowClients.requestMs',
  );
});
