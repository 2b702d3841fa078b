import { createHash } from 'node:crypto';

const marker = 'sha256:';
/** Keys that a door makes of secrets: they are stored as their hash alone. */
const secret = /(?:^|,)apiKey:/;
const plain = /^[!-~]{1,64}$/;

/**
 * What a key is called in the counters: itself when it is short and harmless, else its hash.
 *
 * Bounds what a caller can make others store, and keeps two keys apart also when one of them looks like a hash.
 */
export function counterKey(key: string): string {
  if (plain.test(key) && !key.startsWith(marker) && !secret.test(key)) return key;
  return marker + createHash('sha256').update(key).digest('base64url');
}
