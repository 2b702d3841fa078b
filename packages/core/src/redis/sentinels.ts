import type { Clock } from '../kernel/clock.js';
import type { RedisClient, RedisClients } from './client.js';
import { Link } from './link.js';

const CHANNEL = '+switch-master';

/** What watching the sentinels takes, and who hears of a new master. */
export interface SentinelWatchInit {
  readonly clock: Clock;
  readonly clients: RedisClients;
  /** A sentinel names another master, at this address. Every sentinel says so when it has learnt it. */
  switched(host: string, port: number): void;
}

/**
 * Listens to all sentinels for another master.
 *
 * The old master learns last: until a sentinel demotes it, it goes on taking writes that will be lost,
 * for ten seconds and more. Where no sentinel can be reached, the ends of connections and missed
 * deadlines must tell.
 */
export class SentinelWatch {
  readonly #init: SentinelWatchInit;
  readonly #links: readonly Link[];

  constructor(init: SentinelWatchInit) {
    const { clients, clock } = init;
    this.#init = init;
    this.#links = clients.sentinels().map(
      (sentinel) =>
        new Link({
          clock,
          attemptTimeoutMs: clients.attemptTimeoutMs,
          open: () => Promise.resolve(sentinel),
          ready: (client) => this.#listen(client as RedisClient),
          ended: () => undefined,
          failed: () => undefined,
        }),
    );
  }

  start(): void {
    for (const link of this.#links) link.start();
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()));
  }

  async #listen(sentinel: RedisClient): Promise<void> {
    sentinel.off('message', this.#hear);
    sentinel.on('message', this.#hear);
    await sentinel.subscribe(CHANNEL);
  }

  /** `<name of the master> <old host> <old port> <new host> <new port>` */
  readonly #hear = (_channel: string, message: string): void => {
    const [name, , , host = '', port] = message.split(' ');
    if (name === this.#init.clients.masterName) this.#init.switched(host, Number(port));
  };
}
