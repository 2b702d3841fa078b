import { isPandoError, type Pando } from '@pando/core';
import type { WsRoute } from '@pando/core/http';
import type { Sessions } from '../auth/session.js';
import type { User } from '../auth/user.js';
import { readId } from '../http/input.js';
import { postPaths } from '../posts/post-routes.js';
import type { PostService } from '../posts/post-service.js';
import { readChatInput } from './chat-message.js';

/** What the chats stand on. */
export interface ChatOptions {
  readonly pando: Pick<Pando, 'limits' | 'realtime'>;
  readonly posts: PostService;
  readonly sessions: Sessions;
  readonly requiresLogin: boolean;
}

/** Someone in a chat; without a user, a guest. */
export interface Participant {
  readonly user: User | undefined;
}

const channelOf = (id: string | undefined): string => `chat:blog:${id}`;

/** One chat for each post, spoken in plain text: whoever connects gets what anybody says, on whichever instance. */
export function chatRoutes({ pando, posts, sessions, requiresLogin }: ChatOptions): WsRoute<Participant>[] {
  const route: Omit<WsRoute<Participant>, 'path'> = {
    protocol: 'raw',
    maxMessageBytes: 16_384,
    async authenticate(request, { params }) {
      await posts.byId(readId(params.id, 'post')); // none: 404 instead of a handshake
      const user = await sessions.userOf(request.headers);
      return user === undefined && requiresLogin ? undefined : { user };
    },
    channels: ({ params }) => [channelOf(params.id)],
    async onMessage({ data, params, identity: { user }, connection }) {
      const complain = (message: string) => connection.send(JSON.stringify({ type: 'error', message }));
      const input = readChatInput(data);
      if ('complaint' in input) return void complain(input.complaint);
      const key = user === undefined ? `connection:${connection.id}` : `user:${user.id}`;
      const { allowed, retryAfterMs } = await pando.limits.consume('chat', key);
      if (!allowed) return void complain(`Too fast. Go on in ${Math.ceil(retryAfterMs / 1000)} s.`);
      const message = {
        type: 'chat.message',
        user: user?.name ?? 'guest',
        text: input.text,
        at: new Date().toISOString(),
      };
      try {
        await pando.realtime.publish(channelOf(params.id), message);
      } catch (error) {
        if (!isPandoError(error) || !error.retryable) throw error;
        complain('This could not be delivered. Try again in a moment.');
      }
    },
  };
  return postPaths.map((path) => ({ ...route, path: `${path}/:id/ws` }));
}
