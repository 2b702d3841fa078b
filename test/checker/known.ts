/** What somebody knows to be written: a version of each register. */
export class Known {
  readonly #versions: Map<string, number>;

  constructor(other?: Known) {
    this.#versions = new Map(other === undefined ? [] : other.#versions);
  }

  of(register: string): number {
    return this.#versions.get(register) ?? 0;
  }

  raise(register: string, version: number): void {
    if (version > this.of(register)) this.#versions.set(register, version);
  }

  merge(other: Known): void {
    for (const [register, version] of other.#versions) this.raise(register, version);
  }
}
