import { readOptions } from '../kernel/options.js';
import type { SseSession } from '../realtime/index.js';

/** What a stream follows. Whoever opens it receives these channels: authorise them first. */
export type SsePlan = Pick<SseSession, 'channels' | 'identity' | 'format' | 'expiresAt' | 'presence'>;

/** Checks what the application has planned, before the first byte goes out; throws `PandoOptionsError`. */
export function checkSsePlan(plan: SsePlan): void {
  const reader = readOptions('http.sse', plan);
  const channels = reader.any('channels');
  if (!Array.isArray(channels)) reader.fail('channels', 'a list of channels');
  reader.oneOf('format', ['raw', 'envelope'], undefined);
  reader.any('identity');
  const expiresAt = reader.any('expiresAt');
  if (expiresAt !== undefined && !Number.isFinite(expiresAt)) {
    reader.fail('expiresAt', 'an instant in milliseconds of the epoch');
  }
  const presence = reader.nested('presence');
  for (const key of ['id', 'info']) presence.any(key); // checked by who is listed
  const listed = presence.any('channels');
  if (listed !== undefined && !Array.isArray(listed)) presence.fail('channels', 'a list of channels');
  presence.done();
  reader.done();
}
