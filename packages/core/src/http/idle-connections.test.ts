import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { describe, expect, it, vi } from 'vitest';
import { noopLogger } from '../kernel/logger.js';
import { outlast } from './idle-connections.js';

/** What becomes of a server that keeps idle connections for so long, behind a balancer that keeps them for a minute. */
function behindBalancer(keepAliveTimeout?: number) {
  const server = createServer();
  if (keepAliveTimeout !== undefined) server.keepAliveTimeout = keepAliveTimeout;
  const warn = vi.fn();
  outlast(server, 60_000, { ...noopLogger, warn });
  return { kept: server.keepAliveTimeout, said: warn.mock.calls.map(([, text]) => text) };
}

describe('idle connections', () => {
  it('outlast those of the balancer', () => {
    expect(behindBalancer()).toEqual({ kept: 65_000, said: [] });
  });

  it('stay as they are when they last long enough, or for ever', () => {
    expect(behindBalancer(72_000)).toEqual({ kept: 72_000, said: [] });
    expect(behindBalancer(65_000)).toEqual({ kept: 65_000, said: [] });
    expect(behindBalancer(0)).toEqual({ kept: 0, said: [] });
  });

  it('outlast them although somebody has set less, who is told', () => {
    const { kept, said } = behindBalancer(10_000);
    expect(kept).toBe(65_000);
    expect(said).toEqual([
      "The server's keepAliveTimeout of 10000 ms is too short for a balancer that keeps idle connections for 60000 ms (http.balancerIdleMs): it is 65000 ms now.",
    ]);
  });

  it('outlast them without a word when nobody but the framework has set less', () => {
    const server = createServer();
    server.keepAliveTimeout = 72_000; // Fastify's default
    const warn = vi.fn();
    outlast(server, 600_000, { ...noopLogger, warn });
    expect([server.keepAliveTimeout, warn.mock.calls]).toEqual([605_000, []]);
  });

  it('are left to the server when no balancer is named, and to HTTP/2, which has none', () => {
    const server = createServer();
    const before = server.keepAliveTimeout;
    outlast(server, undefined, noopLogger);
    expect(server.keepAliveTimeout).toBe(before);
    expect(() => outlast(createHttp2Server(), 60_000, noopLogger)).not.toThrow();
  });
});
