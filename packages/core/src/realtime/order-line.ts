import type { Contexts } from '../kernel/context.js';
import type { Logger } from '../kernel/logger.js';
import type { Format } from './hub/entry.js';
import type { Hub } from './hub/hub.js';
import type { Message } from './message.js';
import { type Order, type Orders, ordersChannel, readOrder } from './orders.js';
import { packMessage } from './packing.js';
import type { Publisher } from './publisher.js';
import { LocalSubscription } from './subscription.js';

/** What an order line stands on. */
export interface OrderLineInit {
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly orders: Orders;
  readonly format: Format<Message, readonly Message[]>;
  readonly contexts: Contexts;
  readonly logger: Logger;
}

/** Brings orders from one instance to all. */
export class OrderLine {
  readonly #init: OrderLineInit;
  #heard: LocalSubscription | undefined;

  constructor(init: OrderLineInit) {
    this.#init = init;
  }

  /** How many channels it follows. */
  get size(): number {
    return this.#heard === undefined ? 0 : 1;
  }

  /** Carries out an order here, then has all other instances do so. */
  async give(order: Order, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { orders, publisher } = this.#init;
    orders.carryOut(order);
    const packed = packMessage('', JSON.stringify(order));
    const message = { channel: ordersChannel, id: undefined, isHeld: false, packed, token: undefined };
    await publisher.publish({ ...message, signal });
  }

  /** Carries out what other instances order from now on. */
  hear(): void {
    const { hub, orders, format, contexts, logger } = this.#init;
    const heard = new LocalSubscription({
      channel: ordersChannel,
      listener: ({ data }) => {
        const order = readOrder(data);
        if (order !== undefined) orders.carryOut(order);
      },
      onReset: ({ reason }) =>
        logger.warn(
          { reason },
          'Orders to disconnect users, or to end what they follow, may have been lost.',
        ),
      contexts,
      logger,
      format,
      onClosed: () => undefined,
    });
    this.#heard = heard;
    heard.follow(hub.reader(ordersChannel, heard, {}));
  }

  async close(): Promise<void> {
    await this.#heard?.close();
  }
}
