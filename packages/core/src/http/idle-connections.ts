import { createServer } from 'node:http';
import type { Logger } from '../kernel/logger.js';
import type { HttpServer } from './server-guard.js';

/** Longer than a request is on its way from the balancer, on an instance that is busy. */
const marginMs = 5_000;
/** What Fastify sets, unless it is told otherwise. */
const fastifyDefaultMs = 72_000;

/**
 * Makes idle connections of a server outlast those of the balancer, which alone may end them: when the server does, a
 * request may be on its way.
 *
 * `headersTimeout` needs no such care: Node measures it from the first byte of a request, not from the last answer.
 */
export function outlast(server: HttpServer, balancerIdleMs: number | undefined, logger: Logger): void {
  if (balancerIdleMs === undefined || !('keepAliveTimeout' in server)) return;
  const { keepAliveTimeout } = server;
  const wanted = balancerIdleMs + marginMs;
  if (keepAliveTimeout === 0 || keepAliveTimeout >= wanted) return; // 0 keeps them for ever
  server.keepAliveTimeout = wanted;
  if (keepAliveTimeout === createServer().keepAliveTimeout || keepAliveTimeout === fastifyDefaultMs) return;
  logger.warn(
    { keepAliveTimeout, balancerIdleMs },
    `The server's keepAliveTimeout of ${keepAliveTimeout} ms is too short for a balancer that keeps idle connections for ${balancerIdleMs} ms (http.balancerIdleMs): it is ${wanted} ms now.`,
  );
}
