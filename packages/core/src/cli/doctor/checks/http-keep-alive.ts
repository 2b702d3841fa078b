import { type Check, fine, problem } from '../check.js';
import type { HttpServer } from '../http-server.js';

/** An instance, and what stands before it. */
export interface BehindBalancer {
  readonly server: HttpServer;
  /** How long the balancer keeps an idle connection to it. */
  readonly balancerIdleMs: number;
}

/** Whether an instance keeps idle connections longer than the balancer does. */
export const httpKeepAlive: Check<BehindBalancer> = {
  name: 'http.keep-alive',
  why: 'Whoever closes first must be the balancer: a request on a connection that the app closes at that moment fails with 502.',
  examine({ server: { answers, isDirect }, balancerIdleMs }) {
    const [answer] = answers;
    // Who is no instance is told of already, and its connections are not those that the balancer keeps.
    if (!isDirect || answer?.headers['x-pando-instance'] === undefined) return [];
    const { connection, 'keep-alive': keepAlive } = answer.headers;
    if (connection?.toLowerCase() === 'close') return [fine('keeps no connection')];
    const seconds = /timeout=(\d+)/.exec(String(keepAlive ?? ''))?.[1];
    if (seconds === undefined) return [fine('never closes an idle connection')];
    const found = `closes idle connections after ${seconds} s, the balancer after ${balancerIdleMs / 1_000} s`;
    if (Number(seconds) * 1_000 > balancerIdleMs) return [fine(found)];
    return [
      problem(
        found,
        'Give balancerIdleMs to the adapter; in other servers set keepAliveTimeout above it, and headersTimeout above that.',
      ),
    ];
  },
};
