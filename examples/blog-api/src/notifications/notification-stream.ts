import type { User } from '../auth/user.js';
import { notifications, personal } from './channels.js';

/** Where browsers open their `EventSource`. */
export const notificationPaths = ['/api/v1/notifications/sse', '/api/notifications/sse'];

/** What a stream follows: news for everybody and, when somebody is signed in, what concerns them. */
export interface NotificationPlan {
  readonly channels: readonly string[];
  readonly identity: User | undefined;
  /** Envelopes carry the token to refetch with; plain streams of one channel carry the event alone. */
  readonly format: 'envelope' | undefined;
}

export function notificationPlan(
  user: User | undefined,
  query: Readonly<Record<string, unknown>>,
): NotificationPlan {
  return {
    channels: user === undefined ? [notifications] : [notifications, personal(user.id)],
    identity: user,
    format: query.format === 'envelope' ? 'envelope' : undefined,
  };
}
