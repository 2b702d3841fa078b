import { isCacheName } from '../kernel/names.js';
import { CacheKeyError } from './errors.js';

/** Checks a key; throws `CacheKeyError`. */
export function checkKey(key: unknown): void {
  checkName('key', key);
}

/** Checks tags, and leaves out what is said twice; throws `CacheKeyError`. */
export function checkTags(tags: readonly string[]): readonly string[] {
  for (const tag of tags) checkName('tag', tag);
  return withTags([], tags);
}

/** So many tags are compared one by one sooner than put into a set. */
const FEW = 16;

/** The tags, and those of the others that are not among them. Gives the same list back where it has them all. */
export function withTags(tags: readonly string[], others: readonly string[]): readonly string[] {
  if (tags === others) return tags;
  if (tags.length + others.length > FEW) return [...new Set([...tags, ...others])];
  let all: string[] | undefined;
  for (const other of others) {
    if ((all ?? tags).includes(other)) continue;
    all ??= [...tags];
    all.push(other);
  }
  return all ?? tags;
}

function checkName(what: string, name: unknown): void {
  if (!isCacheName(name)) throw new CacheKeyError(what, name);
}
