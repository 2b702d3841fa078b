import { presenceChannel } from '@pando/core/realtime';
import type { User } from '../auth/user.js';
import { readId } from '../http/input.js';
import { readerOf } from '../readers/reader.js';
import { chatOf, notifications, personal } from './channels.js';

/** Where browsers open their `EventSource`. */
export const notificationPaths = ['/api/v1/notifications/sse', '/api/notifications/sse'];

/**
 * What a stream follows: news for everybody and, when somebody is signed in, what concerns them. With `?post=` also what
 * is said there and who comes and goes; whoever follows that is listed as a reader.
 *
 * `?format=envelope` says which channel an event is of, and brings the token to refetch with.
 */
export function notificationPlan(user: User | undefined, query: Readonly<Record<string, unknown>>) {
  const channels = [notifications];
  if (user !== undefined) channels.push(personal(user.id));
  const plan = {
    channels,
    identity: user,
    format: query.format === 'envelope' ? ('envelope' as const) : undefined,
  };
  if (typeof query.post !== 'string') return plan;
  const chat = chatOf(readId(query.post, 'post'));
  channels.push(chat, presenceChannel(chat));
  return { ...plan, presence: { channels: [chat], ...readerOf(user, query.visitor) } };
}
