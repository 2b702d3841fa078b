import type { Codec } from '../kernel/codec.js';
import type { OptionsReader } from '../kernel/options.js';

/** Reads the codec of values. */
export function readCodec(reader: OptionsReader, fallback: Codec): Codec {
  const codec = reader.any('codec', fallback) as Partial<Codec> | null;
  const isCodec =
    typeof codec === 'object' &&
    typeof codec?.encode === 'function' &&
    typeof codec.decode === 'function' &&
    typeof codec.name === 'string' &&
    /^[A-Za-z0-9]{1,8}(\+z)?$/.test(codec.name);
  return isCodec ? (codec as Codec) : reader.fail('codec', 'a codec with name, encode and decode');
}
