import { isChannelName } from '../kernel/names.js';
import { InvalidChannelError } from './errors.js';

const PRESENCE = '#p';

/** Whether the channel is one on which only Pando publishes, about another channel or about connections. */
export function isPandosOwn(channel: string): boolean {
  return channel.includes('#');
}

/** Whether the name can be followed: an application's, or the presence channel of one. */
export function isFollowableName(channel: unknown): channel is string {
  return typeof channel === 'string' && isChannelName(subjectOf(channel));
}

/** Throws {@link InvalidChannelError} for a name that applications may not use. */
export function assertChannelName(channel: unknown): asserts channel is string {
  if (!isChannelName(channel)) throw new InvalidChannelError(channel);
}

/** Throws {@link InvalidChannelError} for a name that cannot be followed. */
export function assertFollowableName(channel: unknown): asserts channel is string {
  if (!isFollowableName(channel)) throw new InvalidChannelError(channel);
}

/**
 * The channel that tells who comes to a channel and who leaves it.
 *
 * Follow it like any other; only Pando publishes there.
 */
export function presenceChannel(channel: string): string {
  return channel + PRESENCE;
}

/** Whether it is the presence channel of another. */
export function isPresenceChannel(channel: string): boolean {
  return channel.endsWith(PRESENCE);
}

/** The channel that a presence channel is about; any other is about itself. */
export function subjectOf(channel: string): string {
  return isPresenceChannel(channel) ? channel.slice(0, -PRESENCE.length) : channel;
}
