import type { Signalled } from '../../kernel/abort.js';
import type { Connection, PoolHooks, ServerReport } from '../ports.js';

/** A place for one connection: empty at first, then furnished once, then spent. */
export class Slot {
  connection: Connection | undefined;
  connectedAt = 0;
  idleSince = 0;
  proof: ServerReport | undefined;
  isSpent = false;
  /** What ran on it has changed the session. */
  isChanged = false;
  readonly onLost: (cause: unknown) => void;
  #recycleAt = 0;

  constructor(hooks: PoolHooks) {
    this.onLost = (cause) => hooks.onLost(cause);
  }

  furnish(connection: Connection, now: number, recycleAt: number): void {
    this.connection = connection;
    this.connectedAt = now;
    this.proof = connection.greeting;
    this.#recycleAt = recycleAt;
  }

  isFit(now: number): boolean {
    return !this.isSpent && this.connection !== undefined && this.connection.isOpen && now < this.#recycleAt;
  }

  async prove(options?: Signalled): Promise<ServerReport> {
    const connection = this.connection as Connection;
    this.proof = await connection.report(options);
    return this.proof;
  }

  /** Resolves when it can be told whether the connection is fit for the next borrower, and none of this one's session is left. */
  async settle(): Promise<void> {
    const { connection } = this;
    await connection?.settle();
    if (!this.isChanged || !connection?.isIdle) return;
    this.isChanged = false;
    // A pooler may have given the session to somebody else, and would reset a third.
    if (connection.isPooled) this.destroy();
    else await connection.reset().catch(() => this.destroy());
  }

  /** Ends the connection politely if nothing runs on it, else at once. */
  async close(): Promise<void> {
    if (this.isSpent) return;
    this.isSpent = true;
    if (this.connection?.isIdle) await this.connection.close();
    else this.connection?.destroy();
  }

  destroy(): void {
    this.isSpent = true;
    this.connection?.destroy();
  }
}
