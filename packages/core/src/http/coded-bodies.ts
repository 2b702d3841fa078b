import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Coding } from './content-coding.js';
import type { Kit } from './kit.js';

/** Shorter bodies fit into one packet anyway. */
const minBytes = 1_024;

const [brotli, gzipped] = [promisify(brotliCompress), promisify(gzip)];

/** Made once and sent often: worth more effort than middleware can spend on every answer. */
const encode: Readonly<Record<Coding, (body: Buffer) => Promise<Buffer>>> = {
  br: (body) =>
    brotli(body, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 6,
        [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
      },
    }),
  gzip: (body) => gzipped(body, { level: 7 }),
};

/** A body as it lies in the cache, as plain data. */
export interface PlainBody {
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  /** Tells the body from all others. */
  readonly digest: string;
}

/** A coded body as it lies in the cache; without one where the plain body is as short. */
interface CodedBody {
  readonly base64?: string;
}

/**
 * Keeps bodies in the codings that clients can decode, each made once in the fleet for all answers that have it.
 *
 * What a body is in a coding depends on nothing but the body. So it is found by that, and needs no tags: which body is the
 * answer has been decided before.
 */
export class CodedBodies {
  readonly #cache: Kit['cache'];
  readonly #ttlMs: number | undefined;

  constructor(cache: Kit['cache'], ttlMs: number | undefined) {
    this.#cache = cache;
    this.#ttlMs = ttlMs;
  }

  /** A body in a coding; undefined where that is not worth it. */
  async of({ body, encoding, digest }: PlainBody, coding: Coding): Promise<Buffer | undefined> {
    if (body.length < minBytes) return undefined;
    const load = async (): Promise<CodedBody> => {
      const plain = Buffer.from(body, encoding);
      const coded = await encode[coding](plain);
      return coded.length < plain.length ? { base64: coded.toString('base64') } : {};
    };
    const key = `http:3:${coding}:${digest}`;
    const { base64 } = await this.#cache.getOrLoad(key, load, { ttlMs: this.#ttlMs });
    return base64 === undefined ? undefined : Buffer.from(base64, 'base64');
  }
}
