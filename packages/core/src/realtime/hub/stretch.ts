import type { Position } from '../position.js';
import type { Entry, Format } from './entry.js';

/** Entries of one channel that follow each other, as they go out together: joined once for each format. */
export class Stretch {
  readonly entries: readonly [Entry, ...Entry[]];
  /** The message of the first entry up to which its reader has seen it; undefined: none. */
  readonly #seen: number | undefined;
  readonly #batches: unknown[] = [];

  constructor(entries: readonly [Entry, ...Entry[]], seen?: number) {
    this.entries = entries;
    this.#seen = seen;
  }

  /** Where whoever was given all of it stands. */
  get end(): Position {
    const { id, lineage } = this.entries.at(-1) as Entry;
    return { id, index: undefined, lineage };
  }

  as<Frame, Batch>(format: Format<Frame, Batch>): Batch {
    this.#batches[format.slot] ??= format.join(this.#frames(format));
    return this.#batches[format.slot] as Batch;
  }

  #frames<Frame>(format: Format<Frame, unknown>): readonly Frame[] {
    const [first, ...rest] = this.entries;
    const begun = this.#seen === undefined ? first.frames(format) : first.framesAfter(this.#seen, format);
    return rest.length === 0 ? begun : [...begun, ...rest.flatMap((entry) => entry.frames(format))];
  }
}
