/*
 * Names that one room hands to another. A transaction names tags and channels: what their own rooms would refuse must be refused
 * there, for after the commit it would be too late.
 */

const maxCacheNameChars = 512;
/** `#` is left out on purpose: names with it are Pando's own. */
const channelShape = /^[A-Za-z0-9_:.\-/]{1,255}$/;

/** Whether it can be a key or a tag of the cache. */
export function isCacheName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name.length <= maxCacheNameChars;
}

/** Whether applications may use it for a channel. */
export function isChannelName(name: unknown): name is string {
  return typeof name === 'string' && channelShape.test(name);
}
