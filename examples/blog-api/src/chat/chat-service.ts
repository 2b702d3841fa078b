import type { Pando } from '@pando/core';
import type { User } from '../auth/user.js';
import { chatOf } from '../notifications/channels.js';

/** One message, as everybody gets it. */
export interface ChatMessage {
  readonly type: 'chat.message';
  readonly user: string;
  readonly text: string;
  readonly at: string;
}

/** Brings what somebody says to whoever follows the chat of a post, on whichever instance. */
export class ChatService {
  readonly #realtime: Pick<Pando['realtime'], 'publish'>;

  constructor({ realtime }: Pick<Pando, 'realtime'>) {
    this.#realtime = realtime;
  }

  /** Without a user a guest speaks. Said again with the same key, it is heard once. */
  async say(
    postId: number,
    user: User | undefined,
    { text, requestKey }: { readonly text: string; readonly requestKey?: string | undefined },
  ): Promise<ChatMessage> {
    const message: ChatMessage = {
      type: 'chat.message',
      user: user?.name ?? 'guest',
      text,
      at: new Date().toISOString(),
    };
    const id = requestKey && `${user?.id ?? 'guest'}:${requestKey}`;
    await this.#realtime.publish(chatOf(postId), message, { id });
    return message;
  }
}
