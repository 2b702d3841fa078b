import { waitFor } from '@pando/core/testing';
import { RedisServer } from './redis-server.js';

export interface RedisSentinelOptions {
  /** @defaultValue `1` */
  readonly replicas?: number | undefined;
  /** @defaultValue `3` */
  readonly sentinels?: number | undefined;
  /** How long the primary must be silent before a replica takes its place. @defaultValue `500` */
  readonly downAfterMs?: number | undefined;
  /** More arguments for every data server. */
  readonly args?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A real Redis primary with replicas, watched by real Sentinels, on 127.0.0.1. */
export class RedisSentinel implements AsyncDisposable {
  /** The name under which clients ask for the primary. */
  readonly name = 'main';
  /** The primary as it was at the start. */
  readonly primary: RedisServer;
  readonly replicas: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];

  constructor(primary: RedisServer, replicas: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    this.primary = primary;
    this.replicas = replicas;
    this.sentinels = sentinels;
  }

  /** The Sentinels' addresses, as a client wants them. */
  get nodes(): { host: string; port: number }[] {
    return this.sentinels.map(({ host, port }) => ({ host, port }));
  }

  /** The primary that the Sentinels name now, or one of them, should they differ. */
  async currentPrimary(): Promise<RedisServer> {
    return this.#primaryOf(this.sentinels.find((sentinel) => sentinel.running));
  }

  /** Whether no Sentinel names the primary of the start any more: they learn of a failover one after the other. */
  async hasFailedOver(): Promise<boolean> {
    const witnesses = this.sentinels.filter((sentinel) => sentinel.running);
    const named = await Promise.all(witnesses.map((witness) => this.#primaryOf(witness)));
    return !named.includes(this.primary);
  }

  async close(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.replicas, this.primary].map((server) => server.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #primaryOf(witness: RedisServer | undefined): Promise<RedisServer> {
    const answer = await witness?.command('sentinel', 'get-master-addr-by-name', this.name);
    const port = (answer as [host: string, port: string] | null | undefined)?.[1];
    const found = [this.primary, ...this.replicas].find((server) => server.port === Number(port));
    if (!found) throw new Error(`The Sentinels name a primary on port ${port}, which is none of ours.`);
    return found;
  }
}

/** Starts a primary, its replicas and Sentinels, and resolves when all agree; that takes about three seconds. */
export async function startSentinel(options: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const {
    replicas: replicaCount = 1,
    sentinels: sentinelCount = 3,
    downAfterMs = 500,
    args = [],
    signal,
  } = options;
  const pace = ['--repl-diskless-sync-delay', '0', ...args];
  const primary = await RedisServer.start({ args: pace, signal });
  const follow = ['--replicaof', primary.host, String(primary.port)];
  const sentinel = [
    `sentinel monitor main ${primary.host} ${primary.port} ${Math.floor(sentinelCount / 2) + 1}`,
    `sentinel down-after-milliseconds main ${downAfterMs}`,
    'sentinel failover-timeout main 3000',
  ];
  const replicas = await startAll(replicaCount, { args: [...follow, ...pace], signal });
  const sentinels = await startAll(sentinelCount, { sentinel, signal });
  const group = new RedisSentinel(primary, replicas, sentinels);
  try {
    await Promise.all(sentinels.map((one) => agrees(one, replicaCount, sentinelCount - 1, signal)));
  } catch (error) {
    await group.close();
    throw error;
  }
  return group;
}

async function startAll(
  count: number,
  options: Parameters<typeof RedisServer.start>[0],
): Promise<RedisServer[]> {
  return Promise.all(Array.from({ length: count }, () => RedisServer.start(options)));
}

async function agrees(
  sentinel: RedisServer,
  replicas: number,
  others: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const condition = async () => {
    const fields = (await sentinel.command('sentinel', 'master', 'main')) as string[];
    const field = (name: string) => Number(fields[fields.indexOf(name) + 1]);
    return field('num-slaves') === replicas && field('num-other-sentinels') === others;
  };
  const message = `the Sentinel on port ${sentinel.port} to know ${replicas} replicas and ${others} other Sentinels`;
  await waitFor(condition, { timeoutMs: 20_000, signal, message });
}
