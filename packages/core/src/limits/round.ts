/**
 * Goes round the entries of a map, for ever: in the order in which they were added, and from the first one on again.
 *
 * A map finds its first entry by walking over those that were deleted before it: who cuts one at its front walks ever
 * farther. This keeps its place instead. Advance it whenever an entry is added, for it holds on to what the map outgrew.
 */
export class Round<Key, Value> {
  readonly #map: ReadonlyMap<Key, Value>;
  #entries: Iterator<[Key, Value]> | undefined;

  constructor(map: ReadonlyMap<Key, Value>) {
    this.#map = map;
  }

  /** The next entry; undefined once at the end of each round. */
  next(): [Key, Value] | undefined {
    this.#entries ??= this.#map.entries();
    const { done, value } = this.#entries.next();
    if (!done) return value;
    this.#entries = undefined;
    return undefined;
  }
}
