import { freePort, waitFor } from '@pando/core/testing';
import { RedisServer } from './redis-server.js';

const slotCount = 16_384;

export interface RedisClusterOptions {
  /** @defaultValue `3` */
  readonly masters?: number | undefined;
  /** @defaultValue `1` */
  readonly replicasPerMaster?: number | undefined;
  /** How long a node must be silent before the others replace it. @defaultValue `1_000` */
  readonly nodeTimeoutMs?: number | undefined;
  /** More arguments for every redis-server. */
  readonly args?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A real Redis Cluster on 127.0.0.1. */
export class RedisCluster implements AsyncDisposable {
  /** First those that were made masters, then their replicas, in the same order again and again. */
  readonly nodes: readonly RedisServer[];

  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  /** The first node; a cluster client finds the others from there. */
  get url(): string {
    return this.#first.url;
  }

  /** The node that serves a key's slot now, as the cluster itself sees it. */
  async masterOf(key: string): Promise<RedisServer> {
    const witness = this.nodes.find((node) => node.running) ?? this.#first;
    const slot = Number(await witness.command('cluster', 'keyslot', key));
    const ranges = (await witness.command('cluster', 'slots')) as [
      number,
      number,
      [string, number, string],
    ][];
    const range = ranges.find(([from, to]) => slot >= from && slot <= to);
    const node = this.nodes.find(({ port }) => port === range?.[2][1]);
    if (!node) throw new Error(`No node of the cluster serves the slot ${slot} of the key "${key}".`);
    return node;
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #first(): RedisServer {
    return this.nodes[0] as RedisServer;
  }
}

/** Starts a Redis Cluster, all slots served and all replicas in step; ready in about two seconds. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicasPerMaster = 1, signal } = options;
  const starting = Array.from({ length: masters * (1 + replicasPerMaster) }, () => startNode(options));
  const started = await Promise.allSettled(starting);
  const nodes = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const cluster = new RedisCluster(nodes);
  try {
    await Promise.all(starting);
    await assignSlots(nodes.slice(0, masters));
    await introduce(nodes, signal);
    await attachReplicas(nodes, masters, signal);
    await agree(nodes, replicasPerMaster, signal);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

/** Moves a slot as resharding does: key by key, while it is in use. */
export async function moveSlot(
  cluster: RedisCluster,
  slot: number,
  from: RedisServer,
  to: RedisServer,
): Promise<void> {
  const idOf = async (node: RedisServer) => String(await node.command('cluster', 'myid'));
  const [source, target] = [await idOf(from), await idOf(to)];
  await to.command('cluster', 'setslot', slot, 'importing', source);
  await from.command('cluster', 'setslot', slot, 'migrating', target);
  for (let keys = ['']; keys.length > 0; ) {
    keys = (await from.command('cluster', 'getkeysinslot', slot, 1)) as string[];
    if (keys.length > 0) await from.command('migrate', to.host, to.port, '', 0, 5_000, 'keys', ...keys);
  }
  const replicas = cluster.nodes.filter((node) => node !== to && node !== from);
  for (const node of [to, from, ...replicas]) {
    await node.command('cluster', 'setslot', slot, 'node', target).catch((cause: unknown) => {
      if (!/master/.test(String(cause))) throw cause; // replicas learn it from their masters
    });
  }
}

async function startNode({
  nodeTimeoutMs = 1_000,
  args = [],
  signal,
}: RedisClusterOptions): Promise<RedisServer> {
  const cluster = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
  // A replica is named to clients once it has an offset, which an idle master's first ping gives it: after 10 s by default.
  const pace = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];
  for (let attempt = 1; ; attempt++) {
    const bus = ['--cluster-port', String(await freePort()), '--cluster-node-timeout', String(nodeTimeoutMs)];
    try {
      return await RedisServer.start({ args: [...cluster, ...pace, ...bus, ...args], signal });
    } catch (error) {
      if (attempt === 3) throw error; // someone may have taken the bus port meanwhile
    }
  }
}

/** An even share for each master, and different epochs, so that they need not negotiate who owns what. */
async function assignSlots(masters: readonly RedisServer[]): Promise<void> {
  const share = slotCount / masters.length;
  await Promise.all(
    masters.map(async (node, index) => {
      const [from, to] = [Math.round(share * index), Math.round(share * (index + 1)) - 1];
      await node.command('cluster', 'addslotsrange', from, to);
      await node.command('cluster', 'set-config-epoch', index + 1);
    }),
  );
}

async function introduce(nodes: readonly RedisServer[], signal: AbortSignal | undefined): Promise<void> {
  const [first, ...others] = nodes;
  for (const node of others) {
    const [, busPort] = (await node.command('config', 'get', 'cluster-port')) as [string, string];
    await first?.command('cluster', 'meet', node.host, node.port, busPort);
  }
  await eachNode(nodes, 'to know all others', signal, async (node) =>
    String(await node.command('cluster', 'info')).includes(`cluster_known_nodes:${nodes.length}\r\n`),
  );
}

async function attachReplicas(
  nodes: readonly RedisServer[],
  masters: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ids = await Promise.all(nodes.map((node) => node.command('cluster', 'myid')));
  const replicas = nodes.slice(masters);
  await Promise.all(
    replicas.map((node, index) => node.command('cluster', 'replicate', String(ids[index % masters]))),
  );
  await eachNode(replicas, 'to be in step with its master', signal, async (node) =>
    String(await node.command('info', 'replication')).includes('master_link_status:up'),
  );
}

/** Every node must serve all slots and name every replica: clients ask any of them. */
async function agree(
  nodes: readonly RedisServer[],
  replicasPerMaster: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  await eachNode(nodes, 'to see the whole cluster', signal, async (node) => {
    const info = String(await node.command('cluster', 'info'));
    const ranges = (await node.command('cluster', 'slots')) as unknown[][];
    return (
      info.includes('cluster_state:ok') && ranges.every((range) => range.length === 3 + replicasPerMaster)
    );
  });
}

async function eachNode(
  nodes: readonly RedisServer[],
  what: string,
  signal: AbortSignal | undefined,
  condition: (node: RedisServer) => Promise<boolean>,
): Promise<void> {
  await Promise.all(
    nodes.map((node) => {
      const message = `the Redis node on port ${node.port} ${what}`;
      return waitFor(() => condition(node), { timeoutMs: 20_000, signal, message });
    }),
  );
}
