import type { Kernel } from '../../kernel/kernel.js';
import type { RedisClients, RedisClusterClient } from '../client.js';
import { ClusterNode } from './node.js';
import { ClusterPlace } from './place.js';
import type { NodeTimes } from './resident.js';

/** Between two questions who holds the slots: each takes a connection. */
const ASK_PAUSE_MS = 100;

/** What the places of a cluster stand on. */
export interface ClusterPlacesInit {
  readonly kernel: Kernel;
  readonly times: NodeTimes;
  readonly clients: RedisClients;
  /** Knows who holds which slot. */
  readonly cluster: RedisClusterClient;
  readonly instanceId: string;
  /** A key of the floor. */
  readonly homeKey: string;
  failed(cause: unknown, refused: boolean): void;
}

/** The places of a cluster, each on the node that holds its slot. Connects to no node that holds none in use. */
export class ClusterPlaces {
  readonly #init: ClusterPlacesInit;
  readonly #places = new Map<string, ClusterPlace>();
  readonly #used = new Set<ClusterPlace>();
  readonly #nodes = new Map<string, ClusterNode>();
  /** Nodes on their way out. */
  readonly #leaving = new Set<Promise<void>>();
  #isAsking = false;
  #isDoubted = false;
  #isClosed = false;

  constructor(init: ClusterPlacesInit) {
    this.#init = init;
    init.cluster.on('refresh', () => {
      for (const place of this.#used) this.#assign(place);
    });
  }

  /** Whether all places in use are live. */
  get isLive(): boolean {
    for (const place of this.#used) if (!place.isLive) return false;
    return true;
  }

  place(tag: string): ClusterPlace {
    let place = this.#places.get(tag);
    if (place === undefined) {
      const { kernel, instanceId, clients } = this.#init;
      place = new ClusterPlace(tag, {
        kernel,
        instanceId,
        openTimeoutMs: clients.attemptTimeoutMs,
        use: (used) => this.#use(used),
        doubt: () => this.#doubt(),
      });
      if (this.#isClosed) place.close();
      this.#places.set(tag, place);
    }
    return place;
  }

  /** Writes in one go, to each node, what `send` sends to whatever places. */
  together(send: () => void): void {
    let all = send;
    for (const { life } of this.#nodes.values()) {
      const inner = all;
      if (life !== undefined) all = () => life.commands.together(inner);
    }
    all();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const place of this.#places.values()) place.close();
    for (const node of this.#nodes.values()) this.#leave(node);
    await Promise.all(this.#leaving);
  }

  #use(place: ClusterPlace): void {
    this.#used.add(place);
    this.#assign(place);
  }

  /**
   * Gives a place the node that the cluster names. A node that serves is asked itself before it is left: of those that name
   * another one, some have not heard the news.
   */
  #assign(place: ClusterPlace): void {
    const address = this.#init.cluster.slots[place.slot]?.[0];
    const { residence } = place;
    const before = residence.node;
    if (this.#isClosed || address === before?.address) return;
    if (place.isUp && place.isLive) {
      residence.confirm();
      return;
    }
    const node = address === undefined ? undefined : this.#node(address);
    residence.moveTo(node, new Error('the slot has moved'));
    if (before?.isEmpty) this.#leave(before);
  }

  #node(address: string): ClusterNode {
    let node = this.#nodes.get(address);
    if (node === undefined) {
      const { kernel, times, clients, homeKey, failed } = this.#init;
      node = new ClusterNode(address, {
        kernel,
        times,
        clients,
        signKey: homeKey,
        troubled: () => this.#doubt(),
        failed,
      });
      this.#nodes.set(address, node);
      node.start();
    }
    return node;
  }

  #leave(node: ClusterNode): void {
    this.#nodes.delete(node.address);
    const leaving = node.close().finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /**
   * The slots may be elsewhere by now: asks, at most every so often. Who doubts does so again until there is nothing to doubt.
   */
  #doubt(): void {
    this.#isDoubted = true;
    if (this.#isAsking || this.#isClosed) return;
    this.#isAsking = true;
    this.#isDoubted = false;
    this.#init.cluster.refreshSlotsCache(() => {
      this.#init.kernel.clock.after(ASK_PAUSE_MS, () => {
        this.#isAsking = false;
        if (this.#isDoubted) this.#doubt();
      });
    });
  }
}
