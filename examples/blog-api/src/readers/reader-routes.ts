import type { Pando } from '@pando/core';
import { readId } from '../http/input.js';
import { mount, type Route } from '../http/route.js';
import { chatOf } from '../notifications/channels.js';
import { postPaths } from '../posts/post-routes.js';
import type { PostService } from '../posts/post-service.js';
import type { Reader } from './reader.js';

/** Who has a post open right now, on whichever instance. Who follows `…#p` of its chat hears of each that comes or goes. */
export function readerRoutes({ realtime }: Pick<Pando, 'realtime'>, posts: PostService): Route[] {
  return mount(postPaths, [
    {
      method: 'get',
      path: '/:id/readers',
      async handle({ params }) {
        const { id } = await posts.byId(readId(params.id, 'post'));
        const { users, members } = await realtime.presence(chatOf(id));
        const data = members.map(({ id: reader, info }) => ({ id: reader, ...(info as Reader['info']) }));
        return { status: 200, body: { data, total: users } };
      },
    },
  ]);
}
