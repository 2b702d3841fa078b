import type { User } from '../auth/user.js';
import { readId } from '../http/input.js';
import { chatOf, notifications, personal } from './channels.js';

/** Where browsers open their `EventSource`. */
export const notificationPaths = ['/api/v1/notifications/sse', '/api/notifications/sse'];

/** What a stream follows: news for everybody; when somebody is signed in, what concerns them; and the chat of the post they read. */
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
  const channels = [notifications];
  if (user !== undefined) channels.push(personal(user.id));
  if (typeof query.post === 'string') channels.push(chatOf(readId(query.post, 'post')));
  return {
    channels,
    identity: user,
    format: query.format === 'envelope' ? 'envelope' : undefined,
  };
}
