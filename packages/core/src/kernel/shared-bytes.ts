const lineEnd = Buffer.from('\r\n');

/**
 * Bytes that many connections get.
 *
 * What a transport puts around them is made once, for the first that needs it, and not for each connection.
 */
export class SharedBytes {
  readonly plain: Buffer;
  #chunk: Buffer | undefined;

  constructor(plain: Buffer) {
    this.plain = plain;
  }

  get byteLength(): number {
    return this.plain.length;
  }

  /** As a chunk of an HTTP/1.1 body (RFC 9112, 7.1). Only for bytes that are there: an empty chunk ends a body. */
  get chunk(): Buffer {
    this.#chunk ??= Buffer.concat([
      Buffer.from(`${this.plain.length.toString(16)}\r\n`, 'latin1'),
      this.plain,
      lineEnd,
    ]);
    return this.#chunk;
  }
}
