/**
 * Reads texts that lie one after the other, each with its length in front.
 *
 * Who reads a stored value knows most of them. Comparing bytes with a string is several times as fast as decoding them, which
 * is a call out of JavaScript of 70 ns however short the text, and a value that shares its strings with everybody costs less
 * memory and is compared by identity from then on.
 */
export class Texts {
  /** Where the next one begins. */
  at: number;
  /** Whether one was to reach beyond the end. What has been read since means nothing. */
  isBroken = false;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** One text; the expected one itself if that is what it says. */
  next(expected: string | undefined): string {
    const size = this.#size();
    const from = this.at;
    this.at += size;
    if (this.at > this.#bytes.length) this.isBroken = true;
    if (this.isBroken) return '';
    return expected !== undefined && this.#says(expected, from, size)
      ? expected
      : this.#bytes.toString('utf8', from, this.at);
  }

  /** A list of texts, behind their number; the expected list itself if that is what it says. */
  list(expected: readonly string[] = []): readonly string[] {
    const count = this.#size();
    let texts: string[] | undefined;
    for (let i = 0; i < count && !this.isBroken; i++) {
      const text = this.next(expected[i]);
      if (texts === undefined && text === expected[i]) continue;
      texts ??= expected.slice(0, i);
      texts.push(text);
    }
    return texts ?? (count === expected.length ? expected : expected.slice(0, count));
  }

  #size(): number {
    const { at } = this;
    if (at + 2 > this.#bytes.length) this.isBroken = true;
    if (this.isBroken) return 0;
    this.at = at + 2;
    return ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number);
  }

  /** Whether the bytes are this string. False for what is not ASCII: that is decoded. */
  #says(text: string, from: number, size: number): boolean {
    if (text.length !== size) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < size; i++) {
      const code = text.charCodeAt(i);
      if (code !== bytes[from + i] || code > 0x7f) return false;
    }
    return true;
  }
}
