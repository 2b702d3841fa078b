import { CacheKeyError } from './errors.js';

const MAX_NAME_CHARS = 512;

/** Checks a key; throws `CacheKeyError`. */
export function checkKey(key: unknown): void {
  checkName('key', key);
}

/** Checks tags, and leaves out what is said twice; throws `CacheKeyError`. */
export function checkTags(tags: readonly string[]): readonly string[] {
  for (const tag of tags) checkName('tag', tag);
  return [...new Set(tags)];
}

function checkName(what: string, name: unknown): void {
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_CHARS) {
    throw new CacheKeyError(what, name);
  }
}
