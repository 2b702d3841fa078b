import type { Fleet } from '../kernel/fleet.js';
import type { Logger } from '../kernel/logger.js';
import type { ResolvedDatabaseOptions } from './options.js';

/** What a budget is made of. */
export interface BudgetParts {
  readonly options: Pick<ResolvedDatabaseOptions, 'connectionBudget' | 'pool'>;
  /** Without one, an instance takes itself to be alone. */
  readonly fleet: Fleet | undefined;
  readonly logger: Logger;
}

/**
 * Shares the connections that a server has between the instances that live now.
 *
 * A server refuses whoever comes when all its connections are taken, and then it hits every instance, and what is urgent
 * as much as what is not. A pool that opens fewer lets its callers wait instead, in order.
 */
export class ConnectionBudget {
  readonly #option: ResolvedDatabaseOptions['connectionBudget'];
  readonly #wanted: number;
  readonly #fleet: Fleet | undefined;
  readonly #logger: Logger;
  /** What each server's pool was last allowed. */
  readonly #shares = new Map<string, number>();

  constructor({ options, fleet, logger }: BudgetParts) {
    this.#option = options.connectionBudget;
    this.#wanted = options.pool.size + options.pool.overflow;
    this.#fleet = fleet;
    this.#logger = logger;
  }

  /** How many connections the pool of a server may have now; `capacity`: what the server says that it has for all, if it does. */
  shareOf(server: string, capacity: number | undefined): number {
    const total = this.#option === 'auto' ? capacity : this.#option || undefined;
    const instances = this.#fleet?.instances().length ?? 1;
    // One of each instance's share asks for the server's position.
    const fair = total === undefined ? this.#wanted : Math.floor(total / instances) - 1;
    const share = Math.min(this.#wanted, Math.max(1, fair));
    this.#tell(server, share, { total, instances });
    return share;
  }

  #tell(server: string, share: number, grounds: { total: number | undefined; instances: number }): void {
    const before = this.#shares.get(server) ?? this.#wanted;
    this.#shares.set(server, share);
    if (share === before) return;
    const fields = { server, ...grounds, wanted: this.#wanted, connections: share };
    if (share < this.#wanted) {
      this.#logger.warn(
        fields,
        'too few connections for all instances: the pool opens no more than its share',
      );
    } else {
      this.#logger.info(fields, 'enough connections for all instances: the pool opens what it may');
    }
  }
}
