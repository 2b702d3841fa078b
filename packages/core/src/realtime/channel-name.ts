import { InvalidChannelError } from './errors.js';

/** `#` is left out on purpose: names with it are Pando's own. */
const shape = /^[A-Za-z0-9_:.\-/]{1,255}$/;

/** Whether applications may use the name. */
export function isChannelName(channel: unknown): channel is string {
  return typeof channel === 'string' && shape.test(channel);
}

/** Throws {@link InvalidChannelError} for a name that applications may not use. */
export function assertChannelName(channel: unknown): asserts channel is string {
  if (!isChannelName(channel)) throw new InvalidChannelError(channel);
}
