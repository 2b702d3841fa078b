/** Turns values into bytes for Redis and back. */
export interface Codec {
  /** Stored beside the bytes, so that releases with another codec do not misread them. One to eight letters or digits; `+z` behind it where they are compressed. */
  readonly name: string;
  encode(value: unknown): Buffer;
  /** Throws when the bytes are not of this codec. */
  decode(bytes: Buffer): unknown;
}

/** JSON in UTF-8. `undefined` travels as an empty buffer. */
export const jsonCodec: Codec = Object.freeze({
  name: 'json',
  encode: (value: unknown) =>
    value === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(value), 'utf8'),
  decode: (bytes: Buffer) =>
    bytes.length === 0 ? undefined : (JSON.parse(bytes.toString('utf8')) as unknown),
});
