import type { Pando, PandoOptions, Token } from '@pando/core';
import { createTcpProxy, type DatabaseUrls, type TcpProxy } from '@pando/core/testing';
import { abortable } from '../../packages/core/src/kernel/abort.js';
import type { RequestContext } from '../../packages/core/src/kernel/context.js';
import { composePando, type KitRules } from '../../packages/core/src/pando.js';
import type { RedisServer } from '../infra/redis.js';

/** What an instance is made of. */
export interface InstanceInit {
  readonly name: string;
  readonly redis: RedisServer;
  readonly urls: DatabaseUrls;
  /** Given where its own network leads. */
  readonly options: (urls: DatabaseUrls & { readonly redis: string }) => PandoOptions;
  readonly rules: KitRules | undefined;
}

/** One instance of the kit, with a network of its own to everything that it needs. */
export class Instance {
  readonly name: string;
  readonly pando: Pando;
  readonly #redis: TcpProxy;
  #primary: TcpProxy;
  readonly #replicas: readonly TcpProxy[];
  readonly #death = new AbortController();
  #closing: Promise<void> | undefined;

  private constructor(
    name: string,
    pando: Pando,
    redis: TcpProxy,
    primary: TcpProxy,
    replicas: readonly TcpProxy[],
  ) {
    this.name = name;
    this.pando = pando;
    this.#redis = redis;
    this.#primary = primary;
    this.#replicas = replicas;
  }

  static async start({ name, redis, urls, options, rules }: InstanceInit): Promise<Instance> {
    const inFrontOf = (url: string) => createTcpProxy({ target: { host: '127.0.0.1', port: portOf(url) } });
    const [cache, primary, ...replicas] = (await Promise.all(
      [redis.url, urls.primary, ...urls.replicas].map(inFrontOf),
    )) as [TcpProxy, TcpProxy, ...TcpProxy[]];
    const own = {
      redis: cache.url('redis'),
      primary: primary.url(urls.primary),
      replicas: replicas.map((proxy, index) => proxy.url(urls.replicas[index] as string)),
    };
    const pando = await composePando({ ...options(own), instanceId: name }, rules);
    return new Instance(name, pando, cache, primary, replicas);
  }

  get isAlive(): boolean {
    return !this.#death.signal.aborted;
  }

  /** Aborts when it dies. */
  get death(): AbortSignal {
    return this.#death.signal;
  }

  /** Runs code as one request of somebody who has seen so much; rejects when the instance dies meanwhile. */
  async serve<T>(token: Token, code: (context: RequestContext) => Promise<T>): Promise<T> {
    const { contexts } = this.pando.kernel;
    const context = contexts.open({ id: 'request', signal: this.#death.signal, token });
    return abortable(
      contexts.run(context, () => code(context)),
      this.#death.signal,
    );
  }

  /** Redis is out of reach of this instance alone. */
  async cutRedis(): Promise<void> {
    await this.#redis.refuse();
    this.#redis.reset();
  }

  async healRedis(): Promise<void> {
    if (this.isAlive) await this.#redis.heal();
  }

  /** Statements that run on the primary for this instance are cut off, whatever becomes of them. */
  resetPrimary(): void {
    this.#primary.reset();
  }

  /** The address of the primary leads to another server from now on. */
  async leadPrimaryTo({ port: to }: { readonly port: number }): Promise<void> {
    const { port } = this.#primary;
    await this.#primary.close();
    this.#primary = await createTcpProxy({ port, target: { host: '127.0.0.1', port: to } });
  }

  /** From one moment to the next nothing of it reaches anybody any more, as when its machine loses power. */
  async kill(): Promise<void> {
    this.#death.abort(new Error(`${this.name} is dead`));
    const network = [this.#redis, this.#primary, ...this.#replicas];
    for (const proxy of network) {
      await proxy.refuse();
      proxy.reset();
    }
    void this.close();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.pando.close();
    for (const proxy of [this.#redis, this.#primary, ...this.#replicas]) await proxy.close();
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
