import type { Answer } from './route.js';

/** The largest body that is read. */
export const maxBodyBytes = 100_000;

/** An answer as it is written. */
export interface Rendered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: string | Buffer | undefined;
}

/** Nothing outside may keep an answer: it would know of no invalidation. Headers of the answer win. */
const defaults = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

export function render({ status, headers, body }: Answer): Rendered {
  const isRaw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const type = isRaw ? {} : { 'content-type': 'application/json; charset=utf-8' };
  return {
    status,
    headers: { ...defaults, ...type, ...headers },
    payload: isRaw ? body : JSON.stringify(body),
  };
}
