import type { SharedPage } from './shared-page.js';

/** Packed bytes that may be kept between two times that pass. */
const MAX_BYTES = 8_388_608;

/**
 * Pages of logs that were read a moment ago.
 *
 * Those who come back after a restart come one after the other, each from a place of its own, and most of these places lie
 * in the same few pages. What an entry follows never changes within one life of the data set, so an older page is
 * as good as a new one for as far as it goes.
 */
export class KeptPages {
  /** By channel; two generations, so that a page lives once to twice the time. */
  #young = new Map<string, SharedPage[]>();
  #old = new Map<string, SharedPage[]>();
  #bytes = 0;

  /** A page with what follows the entry, of this life of the data set. */
  find(channel: string, id: string, lineage: string): SharedPage | undefined {
    for (const generation of [this.#young, this.#old])
      for (const shared of generation.get(channel) ?? []) {
        const part = shared.page.lineage === lineage ? shared.after(id) : undefined;
        if (part !== undefined) return part;
      }
    return undefined;
  }

  keep(channel: string, shared: SharedPage): void {
    const bytes = shared.page.entries.reduce((sum, { packed }) => sum + packed.length, 0);
    if (this.#bytes + bytes > MAX_BYTES) return;
    this.#bytes += bytes;
    const pages = this.#young.get(channel);
    if (pages === undefined) this.#young.set(channel, [shared]);
    else pages.push(shared);
  }

  /** Time has passed. */
  age(): void {
    if (this.#old.size === 0 && this.#young.size === 0) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#bytes = 0;
  }
}
