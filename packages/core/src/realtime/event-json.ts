import { InvalidEventError } from './errors.js';

/** The event as it travels; throws {@link InvalidEventError} for what has no JSON form. */
export function eventJson(channel: string, event: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(event);
  } catch (cause) {
    throw new InvalidEventError(channel, cause);
  }
  if (json === undefined) throw new InvalidEventError(channel);
  return json;
}
