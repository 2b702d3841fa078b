import type { Signalled } from '../../kernel/abort.js';
import type { Connection, Lease, ServerReport } from '../ports.js';
import type { Slot } from './slot.js';

/** What the pool hands out; a second release is harmless. */
export class SlotLease implements Lease {
  readonly connection: Connection;
  readonly connectedAt: number;
  readonly #slot: Slot;
  #release: (() => void) | undefined;

  constructor(slot: Slot, release: () => void) {
    this.connection = slot.connection as Connection;
    this.connectedAt = slot.connectedAt;
    this.#slot = slot;
    this.#release = release;
  }

  get proof(): ServerReport {
    return this.#slot.proof as ServerReport;
  }

  prove(options?: Signalled): Promise<ServerReport> {
    return this.#slot.prove(options);
  }

  sessionChanged(): void {
    this.#slot.isChanged = true;
  }

  release(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
}
