import { isPandoError, type Pando } from '@pando/core';
import type { WsMessage, WsRoute } from '@pando/core/http';
import type { Sessions } from '../auth/session.js';
import type { User } from '../auth/user.js';
import { UnauthorizedError } from '../errors.js';
import { InputReader, readId, readRequestKey } from '../http/input.js';
import { mount, type Route } from '../http/route.js';
import { chatOf } from '../notifications/channels.js';
import { postPaths } from '../posts/post-routes.js';
import type { PostService } from '../posts/post-service.js';
import { readerOf } from '../readers/reader.js';
import { maxChatLength, readChatInput } from './chat-message.js';
import type { ChatService } from './chat-service.js';

/** What the chats stand on. */
export interface ChatOptions {
  readonly limits: Pando['limits'];
  readonly chat: ChatService;
  readonly posts: PostService;
  readonly sessions: Sessions;
  readonly requiresLogin: boolean;
}

/** Someone in a chat; without a user, a guest. */
export interface Participant {
  /** Whose connection it is to Pando: its `disconnectUser` goes by that. */
  readonly id: number | undefined;
  readonly user: User | undefined;
}

/** Saying something over HTTP, for who follows the chat as an event stream: with a key it may be sent again until it is answered. */
export function chatRoutes({ chat, posts, requiresLogin }: ChatOptions): Route[] {
  return mount(postPaths, [
    {
      method: 'post',
      path: '/:id/chat',
      auth: 'optional',
      limit: 'chat',
      async handle({ user, params, body, headers }) {
        if (user === undefined && requiresLogin) throw new UnauthorizedError('Sign in to chat.');
        const input = new InputReader(body);
        const text = input.text('text', { max: maxChatLength });
        input.done();
        const { id } = await posts.byId(readId(params.id, 'post'));
        return { status: 201, body: await chat.say(id, user, { text, requestKey: readRequestKey(headers) }) };
      },
    },
  ]);
}

/** One chat for each post, spoken in plain text: whoever connects gets what anybody says, on whichever instance. */
export function chatSockets({
  limits,
  chat,
  posts,
  sessions,
  requiresLogin,
}: ChatOptions): WsRoute<Participant>[] {
  const route: Omit<WsRoute<Participant>, 'path'> = {
    protocol: 'raw',
    maxMessageBytes: 16_384,
    async authenticate(request, { params }) {
      await posts.byId(readId(params.id, 'post')); // none: 404 instead of a handshake
      const user = await sessions.userOf(request.headers);
      return user === undefined && requiresLogin ? undefined : { id: user?.id, user };
    },
    channels: ({ params }) => [chatOf(Number(params.id))],
    presence: ({ identity: { user } }) => (user === undefined ? undefined : readerOf(user, undefined)),
    limits: { connections: 'connect' },
    onLimited: ({ connection, retryAfterMs }) => complainTo(connection, tooFast(retryAfterMs)),
    async onMessage({ data, params, identity: { user }, connection }) {
      const complain = (message: string) => complainTo(connection, message);
      const input = readChatInput(data);
      if ('complaint' in input) return complain(input.complaint);
      const key = user === undefined ? `connection:${connection.id}` : `user:${user.id}`;
      const { allowed, retryAfterMs } = await limits.consume('chat', key);
      if (!allowed) return complain(tooFast(retryAfterMs));
      try {
        await chat.say(Number(params.id), user, input);
      } catch (error) {
        if (!isPandoError(error) || !error.retryable) throw error;
        complain('This could not be delivered. Try again in a moment.');
      }
    },
  };
  return postPaths.map((path) => ({ ...route, path: `${path}/:id/ws` }));
}

type Connection = WsMessage<Participant>['connection'];

function complainTo(connection: Connection, message: string): void {
  connection.send(JSON.stringify({ type: 'error', message }));
}

const tooFast = (retryAfterMs: number): string => `Too fast. Go on in ${Math.ceil(retryAfterMs / 1_000)} s.`;
