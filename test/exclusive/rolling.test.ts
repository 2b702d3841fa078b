import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { Site } from '../followers/site.js';
import { startHaproxy } from '../infra/balancers.js';
import { testSize } from '../infra/context.js';
import { startRedis } from '../infra/redis.js';

const isFull = testSize() === 'full';
const VISITORS = isFull ? 32 : 8;
const ROUNDS = isFull ? 5 : 1;

it('instances behind a balancer are replaced one after the other, and no request fails and no message is lost', async () => {
  await using redis = await startRedis();
  await using site = await Site.start({
    redis: () => redis.url,
    realtime: { drainMs: 600, reconnect: { minMs: 1, maxMs: 300 } },
    lifecycle: { readinessDelayMs: 1_500 },
    balancer: (ports) => startHaproxy({ ports, healthPath: '/health/ready' }),
  });
  for (let n = 0; n < 3; n++) site.followEveryWay();
  await site.settled();
  const load = site.load({ everyMs: 100 });
  const visitors = new Visitors(site.url, VISITORS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, instance] of site.instances.entries()) {
      expect(await instance.terminate()).toEqual({ code: 0, signal: null });
      await instance.restart();
      await waitFor(() => visitors.latest.includes(`instance-${index + 1}`), {
        timeoutMs: 15_000,
        message: `the balancer to lead to instance ${index + 1} again`,
      });
    }
  }
  await visitors.stop();
  await load.stop();
  expect(visitors.failures).toEqual([]);
  await site.caughtUp();
  expect(site.verifier.resets().flat()).toEqual([]);
  expect(site.ears.some(({ hasGivenUp }) => hasGivenUp)).toBe(false);
  console.log(
    `${visitors.answered} requests answered, ${site.verifier.messages} messages seen, none lost, over ${ROUNDS * 3} restarts`,
  );
});

/** Somebody who reads and writes without a pause, on a connection that is kept, and never tries anything twice. */
class Visitors {
  answered = 0;
  readonly failures: string[] = [];
  /** Who answered lately. */
  readonly latest: string[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #url: string;
  readonly #visits: readonly Promise<void>[];
  #isStopped = false;

  constructor(url: string, count: number) {
    this.#url = url;
    this.#visits = [
      ...Array.from({ length: count }, (_, index) => this.#visit(`nobody-${index}`)),
      ...Array.from({ length: count }, () => this.#wait()),
    ];
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#visits);
    this.#agent.destroy();
  }

  async #visit(channel: string): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const body = n % 2 === 0 ? undefined : JSON.stringify({ channel, values: [n], bytes: 10 });
      await this.#ask(body === undefined ? '/page' : '/publish', body);
    }
  }

  /** Has a request open whenever an instance stops accepting connections. */
  async #wait(): Promise<void> {
    while (!this.#isStopped) await this.#ask('/slow');
  }

  async #ask(path: string, body?: string): Promise<void> {
    const method = body === undefined ? 'GET' : 'POST';
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const failed = (why: unknown) => void this.failures.push(`${method} ${path}: ${why}`);
    await new Promise<void>((resolve) => {
      const asked = request(
        `${this.#url}${path}`,
        { method, headers, agent: this.#agent },
        async (answer) => {
          const { statusCode, headers } = answer;
          const said = await text(answer).catch(failed);
          if (statusCode === 200 && said !== undefined) this.answered++;
          else failed(`${statusCode} ${said}`);
          this.latest.push(String(headers['x-pando-instance']));
          if (this.latest.length > 100) this.latest.shift();
          resolve();
        },
      );
      asked.on('error', (error) => {
        failed(error);
        resolve();
      });
      asked.end(body);
    });
  }
}
