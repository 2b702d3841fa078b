import { waitFor } from '@pando/core/testing';
import { EventSource } from 'eventsource';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testDatabase } from '../infra/context.js';
import type { InstanceGroup } from '../infra/instances.js';
import { type RedisServer, startRedis } from '../infra/redis.js';
import { FleetClient, startFleet } from '../scenarios/fleet.js';

/** Far above what a request may cost while Redis is away (each of its few commands waits at most 150 ms), far below "hangs". */
const boundMs = 2_000;
const kit = 'faults';

let redis: RedisServer;
let fleet: InstanceGroup;
let traffic: Traffic;
let listener: Listener;

beforeEach(async () => {
  redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  fleet = await startFleet({ kit, redisUrl: redis.url, database: await testDatabase() });
  listener = new Listener(`${fleet.urls[1]}/channels/numbers`);
  await waitFor(() => listener.isOpen, { message: 'the stream is open' });
  await new FleetClient(kit).put(`${fleet.urls[0]}/values/k`, 'v');
  traffic = new Traffic(fleet.urls);
});
afterEach(async () => {
  listener?.close();
  await traffic?.end();
  await fleet?.close();
  await redis?.close();
});

/** What happens to Redis, and how many resets a stream may get for it: none where nothing was lost, never two. */
describe.each([
  {
    fault: 'killed and started again with its data',
    resets: [0, 1], // a new process cannot prove that it has everything its predecessor acknowledged
    away: () => redis.kill(),
    back: () => redis.restart({ keepData: true }),
  },
  { fault: 'frozen and thawed', resets: [0], away: () => redis.freeze(), back: () => redis.thaw() },
  {
    fault: 'restarted without its data',
    resets: [1],
    away: () => redis.kill(),
    back: () => redis.restart({ keepData: false }),
  },
])('while Redis is $fault', ({ resets, away, back }) => {
  it('requests are answered within a bound, events flow again by themselves, and no process dies', async () => {
    await publish(1);
    await waitFor(() => listener.numbers.includes(1), { message: 'events flow before' });

    await away();
    await traffic.rounds(20);
    const refused = await fetch(`${fleet.urls[2]}/channels/numbers`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"n":1.5}',
    });
    expect(refused.status).toBe(503); // publishing says so; it neither hangs nor pretends
    expect((await fetch(`${fleet.urls[0]}/limited`)).status).toBe(204); // `onUnavailable: 'local'`
    expect((await fetch(`${fleet.urls[0]}/health/live`)).status).toBe(200);
    expect((await fetch(`${fleet.urls[0]}/health/ready`)).status).toBe(200);
    await waitFor(async () => (await healthOf(fleet.urls[0])).components.redis !== 'healthy', {
      message: 'health names redis',
    });

    await back();
    await waitFor(
      () =>
        publish(2).then(
          () => true,
          () => false,
        ),
      { message: 'publishing works again' },
    );
    // Received on the stream that was open all the time; or a reset has said that events may be missing.
    await waitFor(() => listener.numbers.includes(2) || listener.resets > 0, {
      message: 'the stream goes on, or says that it has a gap',
    });
    await publish(3);
    await waitFor(() => listener.numbers.includes(3), { message: 'events flow again on the old stream' });
    await waitFor(async () => (await healthOf(fleet.urls[0])).components.redis === 'healthy', {
      message: 'health is well again',
    });
    expect(resets).toContain(listener.resets);
    expect(listener.numbers).toEqual([...new Set(listener.numbers)].sort((x, y) => x - y));

    // Caches work again, and invalidate again.
    const client = new FleetClient(kit);
    await client.put(`${fleet.urls[1]}/values/k`, 'after');
    for (const url of fleet.urls)
      expect(await client.get(`${url}/values/k`)).toMatchObject({ value: 'after' });
    await traffic.rounds(5);

    await traffic.end();
    expect(traffic.failures).toEqual([]);
    expect(traffic.slowestMs).toBeLessThan(boundMs);
    for (const instance of fleet.instances) expect(instance.running).toBe(true);
    expect(fleet.output()).not.toMatch(/unhandled|uncaught/i);
  });
});

function publish(n: number): Promise<void> {
  return new FleetClient(kit).publish(`${fleet.urls[2]}/channels/numbers`, { n });
}

async function healthOf(url: string | undefined): Promise<{ components: Record<string, string> }> {
  return (await (await fetch(`${url}/health`)).json()) as { components: Record<string, string> };
}

/** Reads through every instance, one round after the other, and notes what went wrong and how long it took. */
class Traffic {
  readonly failures: string[] = [];
  slowestMs = 0;
  readonly #urls: readonly string[];
  readonly #loop: Promise<void>;
  #rounds = 0;
  #ended = false;

  constructor(urls: readonly string[]) {
    this.#urls = urls;
    this.#loop = this.#run();
  }

  /** Resolves after that many more rounds. */
  async rounds(count: number): Promise<void> {
    const goal = this.#rounds + count;
    await waitFor(() => this.#rounds >= goal, {
      timeoutMs: 20_000,
      message: `${count} more rounds of traffic`,
    });
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      await Promise.all(this.#urls.map((url) => this.#request(`${url}/values/k`)));
      this.#rounds++;
    }
  }

  async #request(url: string): Promise<void> {
    const startedAt = performance.now();
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
      const body = await response.text();
      if (response.status !== 200) this.failures.push(`${response.status} ${body}`);
    } catch (cause) {
      this.failures.push(String(cause));
    }
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
  }
}

/** A plain EventSource: what it received, in order. */
class Listener {
  readonly numbers: number[] = [];
  resets = 0;
  readonly #source: EventSource;

  constructor(url: string) {
    this.#source = new EventSource(url);
    this.#source.onmessage = ({ data }) => this.numbers.push(JSON.parse(data).n);
    this.#source.addEventListener('reset', () => this.resets++);
  }

  get isOpen(): boolean {
    return this.#source.readyState === EventSource.OPEN;
  }

  close(): void {
    this.#source.close();
  }
}
