import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ConnectOptions, connect } from '@pando/core/client';
import type { LifecycleOptions } from '@pando/core/lifecycle';
import type { RealtimeOptions } from '@pando/core/realtime';
import { waitFor } from '@pando/core/testing';
import { EventSource as PackagedSource } from 'eventsource';
import type { Page } from 'playwright-core';
import { EventSource as UndiciSource } from 'undici';
import WebSocket from 'ws';
import { startTcpBalancer } from '../infra/balancers.js';
import { type InstanceGroup, startInstances } from '../infra/instances.js';
import type { ServerProcess } from '../infra/server-process.js';
import { followSocket, followStream, type SocketLike, type Source, type Tell } from './clients.js';
import { type Ear, SocketEar, StreamEar } from './ears.js';
import { followLive, LiveEar } from './live.js';
import { SlowStream } from './slow-stream.js';
import { Verifier } from './verifier.js';

const entry = fileURLToPath(new URL('../fixtures/realtime-app.ts', import.meta.url));

/** What a site is made of. */
export interface SiteInit {
  /** The `redis` option of the instance with this index. */
  readonly redis: (index: number) => unknown;
  /** @defaultValue `3` */
  readonly instances?: number | undefined;
  readonly channels?: readonly string[] | undefined;
  readonly realtime?: RealtimeOptions | undefined;
  /** @defaultValue no readiness delay */
  readonly lifecycle?: LifecycleOptions | undefined;
  /** Starts what stands in front of the instances. @defaultValue a balancer that knows TCP only */
  readonly balancer?: ((ports: readonly number[]) => Promise<Front>) | undefined;
  /** How long an instance takes to find out who a client is. @defaultValue `0` */
  readonly authMs?: number | undefined;
  /** Whether instances look at what waits in their sockets, for {@link Vitals}. */
  readonly watchesSockets?: boolean | undefined;
}

/** What stands in front of the instances. */
export interface Front {
  readonly url: string;
  close(): Promise<void>;
}

/** What is published, and how fast. */
export interface LoadInit {
  /** Messages of one publish, which share a packet. @defaultValue `2` */
  readonly burst?: number | undefined;
  /** Pause between two publishes of one instance to one channel. @defaultValue `20` */
  readonly everyMs?: number | undefined;
  /** What a message carries, besides its number. @defaultValue `40` */
  readonly bytes?: number | undefined;
  /** @defaultValue all of the site */
  readonly channels?: readonly string[] | undefined;
}

/** A client, and how to end it. */
export interface Follower {
  readonly ear: Ear;
  close(): void;
}

/** A follower over a WebSocket. */
export interface SocketFollower extends Follower {
  /** Its connection ends, and it comes back. */
  cut(): void;
  /** Its connection ends, and it stays away until it is told to come back. */
  leave(): void;
  comeBack(): void;
  /** It unsubscribes and subscribes anew over the same connection. */
  again(): void;
}

/** What one instance says of itself. */
export interface Vitals {
  readonly rss: number;
  readonly heapUsed: number;
  readonly loopDelayP99Ms: number;
  readonly sockets: number;
  readonly largestQueueBytes: number;
}

/** Several processes of one app, on both frameworks and behind a balancer, clients of every kind, and the one who judges what they see. */
export class Site implements AsyncDisposable {
  readonly name: string;
  readonly channels: readonly string[];
  readonly verifier = new Verifier();
  readonly followers: Follower[] = [];
  /** Publishes that were refused, by status; 0 when nobody answered. */
  readonly refusals = new Map<number, number>();
  /** How long the slowest publish took to be answered or refused. */
  slowestMs = 0;
  readonly #group: InstanceGroup;
  readonly #balancer: Front;
  #numbers = 0;
  #names = 0;

  private constructor(name: string, group: InstanceGroup, balancer: Front, channels: readonly string[]) {
    this.name = name;
    this.channels = channels;
    this.#group = group;
    this.#balancer = balancer;
  }

  static async start(init: SiteInit): Promise<Site> {
    const name = `site-${randomBytes(4).toString('hex')}`;
    const realtime = { reconnect: { minMs: 1, maxMs: 50 }, drainMs: 300, ...init.realtime };
    const group = await startInstances({
      count: init.instances ?? 3,
      entry,
      nodeArgs: ['--expose-gc'],
      env: (index) => ({
        KIT: name,
        FRAMEWORK: index % 2 === 0 ? 'express' : 'fastify',
        REDIS: JSON.stringify(init.redis(index)),
        REALTIME: JSON.stringify(realtime),
        LIFECYCLE: JSON.stringify(init.lifecycle ?? { readinessDelayMs: 0 }),
        AUTH_MS: String(init.authMs ?? 0),
        WATCHES_SOCKETS: init.watchesSockets ? 'yes' : '',
      }),
    });
    const { balancer: start = (ports) => startTcpBalancer({ ports }) } = init;
    const balancer = await start(group.ports);
    return new Site(name, group, balancer, init.channels ?? ['news', 'room:1', 'room:2']);
  }

  get instances(): readonly ServerProcess[] {
    return this.#group.instances;
  }

  instance(index: number): ServerProcess {
    return this.instances[index % this.instances.length] as ServerProcess;
  }

  /** Leads to any instance that runs. */
  get url(): string {
    return this.#balancer.url;
  }

  // Followers

  /** A page's `EventSource` as npm has it, in one of two ways. */
  followStream(
    kind: 'eventsource' | 'undici',
    channels: readonly string[] = this.channels,
    url = this.url,
  ): Follower {
    const ear = new StreamEar(this.verifier.listener(`${kind} ${++this.#names}`, channels));
    const Source = (kind === 'undici' ? UndiciSource : PackagedSource) as unknown as new (
      url: string,
    ) => Source;
    const client = followStream(Source, this.#events(channels, url), (...told) => ear.hear(...heard(told)));
    return this.#follow(ear, client);
  }

  /** Somebody on a bad line, until `hurry()`. */
  followSlowly(bytesPerSecond: number, channels: readonly string[], url: string) {
    const ear = new StreamEar(this.verifier.listener(`slow ${++this.#names}`, channels));
    const client = new SlowStream(this.#events(channels, url), bytesPerSecond, (...told) =>
      ear.hear(...heard(told)),
    );
    return this.#follow(ear, { close: () => client.close(), hurry: () => client.hurry() });
  }

  /** A client of the protocol, which takes turns with the addresses; with `since`, it goes on from there. */
  followSocket(
    channels: readonly string[] = this.channels,
    urls: readonly string[] = [this.url],
    since: Readonly<Record<string, string>> = {},
  ): SocketFollower {
    const ear = new SocketEar(this.verifier.listener(`ws ${++this.#names}`, channels));
    const Socket = WebSocket as unknown as new (url: string, protocol: string) => SocketLike;
    const addresses = urls.map((url) => `${url.replace('http', 'ws')}/ws`);
    const client = followSocket(Socket, addresses, channels, (...told) => ear.hear(...told), { ...since });
    return this.#follow(ear, client);
  }

  /** The library's own client; with `since`, it goes on from there. */
  followLive(
    transport: 'sse' | 'ws',
    channels: readonly string[] = this.channels,
    url = this.url,
    { since, ...options }: ConnectOptions & { readonly since?: Readonly<Record<string, string>> } = {},
  ): Follower {
    const ear = new LiveEar(this.verifier.listener(`live ${transport} ${++this.#names}`, channels));
    const address = transport === 'sse' ? this.#events(channels, url) : `${url.replace('http', 'ws')}/ws`;
    const tell: Tell = (...told) => ear.hear(...told);
    const all = { ...options, WebSocket: WebSocket as unknown as NonNullable<ConnectOptions['WebSocket']> };
    const client = followLive(connect, address, channels, tell, all, since);
    return this.#follow(ear, client);
  }

  /** A client of each kind, all on the same channels; the library's own once for each transport. */
  followEveryWay(channels: readonly string[] = this.channels, url = this.url): readonly Follower[] {
    return [
      this.followStream('eventsource', channels, url),
      this.followStream('undici', channels, url),
      this.followSocket(channels, [url]),
      this.followLive('sse', channels, url),
      this.followLive('ws', channels, url),
    ];
  }

  /** A browser's own `EventSource` and `WebSocket`, in one page. */
  async followInPage(
    page: Page,
    channels: readonly string[] = this.channels,
    streams = this.url,
    sockets = streams,
  ): Promise<void> {
    await page.goto(`${this.url}/page`);
    for (const [kind, Kind] of [
      ['stream', StreamEar],
      ['socket', SocketEar],
    ] as const) {
      const ear = new Kind(this.verifier.listener(`page's ${kind} ${++this.#names}`, channels));
      const tell = `tell${this.#names}`;
      await page.exposeFunction(tell, (told: [string, ...unknown[]][]) => {
        for (const one of told) ear.hear(...(one as [string, string, string]));
      });
      const url = kind === 'stream' ? this.#events(channels, streams) : `${sockets.replace('http', 'ws')}/ws`;
      const call = kind === 'stream' ? '(EventSource, url, tell)' : '(WebSocket, [url], channels, tell)';
      const follow = kind === 'stream' ? followStream : followSocket;
      // What is told is gathered for a moment: each call leaves the browser.
      await page.evaluate(`{
        const [url, channels, told] = [${JSON.stringify(url)}, ${JSON.stringify(channels)}, []];
        const tell = (...one) => {
          if (told.push(one) === 1) setTimeout(() => ${tell}(told.splice(0)), 20);
        };
        (${follow})${call};
      }`);
      this.#follow(ear, { close: () => undefined });
    }
  }

  get ears(): readonly Ear[] {
    return this.followers.map(({ ear }) => ear);
  }

  /** Resolves once every follower has had a message of each of its channels, so that it knows where it stands. */
  async settled(): Promise<void> {
    await waitFor(() => this.ears.every(({ connections }) => connections > 0), {
      timeoutMs: 30_000,
      message: 'all followers to connect',
    });
    await this.caughtUp();
  }

  // Publishes

  /** Publishes so many messages in one turn of an instance; where that fails, at another one, under the same ids, until it succeeds. */
  async publish(index: number, channel: string, { burst = 1, bytes = 40 }: LoadInit = {}): Promise<string[]> {
    const values = Array.from({ length: burst }, () => ++this.#numbers);
    for (let attempt = index; ; attempt++) {
      const startedAt = performance.now();
      const answer = await fetch(`${this.instance(attempt).url}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ channel, values, bytes }),
      }).catch(() => undefined);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
      if (answer?.ok) {
        const published = (await answer.json()) as { position: string }[];
        for (const [at, { position }] of published.entries())
          this.verifier.confirm(channel, position, values[at] as number);
        return published.map(({ position }) => position);
      }
      await answer?.text();
      for (const value of values) this.verifier.attempt(value);
      const status = answer?.status ?? 0;
      this.refusals.set(status, (this.refusals.get(status) ?? 0) + 1);
      await delay(20);
    }
  }

  async publishEverywhere(): Promise<void> {
    await Promise.all(this.channels.map((channel, index) => this.publish(index, channel)));
  }

  /** Publishes through every instance to every channel until told to stop; the answer resolves when all of it is confirmed. */
  load({ burst = 2, everyMs = 20, bytes, channels = this.channels }: LoadInit = {}) {
    let isStopped = false;
    const publishers = this.instances.flatMap((_, index) =>
      channels.map(async (channel) => {
        while (!isStopped) {
          await this.publish(index, channel, { burst, bytes });
          await delay(everyMs);
        }
      }),
    );
    return {
      stop: async () => {
        isStopped = true;
        await Promise.all(publishers);
      },
    };
  }

  /** Resolves once so many more publishes were confirmed. */
  async published(more: number): Promise<void> {
    const wanted = this.verifier.confirmed + more;
    await waitFor(() => this.verifier.confirmed >= wanted, {
      timeoutMs: 30_000,
      message: `${more} more publishes to be confirmed`,
    });
  }

  // Verdict

  /** Resolves once every follower has everything. Throws what is wrong. */
  async caughtUp({ timeoutMs = 20_000 }: { readonly timeoutMs?: number } = {}): Promise<void> {
    const wrong = () => this.verifier.violations({ isCaughtUp: true });
    await waitFor(
      async () => {
        // Nothing else is published: what was lost last must be found without anything that follows it.
        if (this.#isAnybodyNew()) await this.publishEverywhere();
        return wrong().length === 0;
      },
      {
        timeoutMs,
        intervalMs: 100,
        message: () => `all followers to see everything:\n${wrong().join('\n')}`,
      },
    );
  }

  /** Whether somebody has heard nothing yet since its beginning, or since a reset. */
  #isAnybodyNew(): boolean {
    return this.ears.some(({ listener }) =>
      listener.channels.some((channel) => (listener.record(channel).at(-1) ?? -1) < 0),
    );
  }

  // Instances

  async vitals(index: number): Promise<Vitals> {
    return (await (await fetch(`${this.instance(index).url}/vitals`)).json()) as Vitals;
  }

  /** `healthy`, `degraded` or `unhealthy`, as the instance says of its realtime. */
  async health(index: number): Promise<string | undefined> {
    const report = (await (await fetch(`${this.instance(index).url}/health`)).json()) as {
      components: Record<string, string>;
    };
    return report.components.realtime;
  }

  /** What all instances together count under this name. */
  async counted(metric: string): Promise<number> {
    const texts = await Promise.all(
      this.instances.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()),
    );
    return texts
      .flatMap((text) => [...text.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))])
      .reduce((sum, [, value]) => sum + Number(value), 0);
  }

  output(): string {
    return this.#group.output();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { close } of this.followers) close();
    await this.#balancer.close();
    await this.#group.close();
  }

  #events(channels: readonly string[], url: string): string {
    return `${url}/events?channels=${encodeURIComponent(channels.join(','))}`;
  }

  #follow<Client extends { close(): void }>(ear: Ear, client: Client) {
    const follower = { ear, ...client, close: () => client.close() };
    this.followers.push(follower);
    return follower;
  }
}

function heard(told: readonly unknown[]): [string, string, string] {
  return told as [string, string, string];
}
