import { InputReader, readId, readRequestKey } from '../http/input.js';
import { listParameters } from '../http/listing.js';
import { mount, type Route } from '../http/route.js';
import { postPaths } from '../posts/post-routes.js';
import type { CommentService } from './comment-service.js';

/** Reading and adding the comments of a post. */
export function commentRoutes(comments: CommentService): Route[] {
  return mount(postPaths, [
    {
      method: 'get',
      path: '/:id/comments',
      cached: { query: listParameters },
      handle: async ({ params, query }) => ({
        status: 200,
        body: await comments.list(readId(params.id, 'post'), query),
      }),
    },
    {
      method: 'post',
      path: '/:id/comments',
      auth: 'required',
      limit: 'write',
      async handle({ user, params, body, headers }) {
        const input = new InputReader(body);
        const text = input.text('body', { max: 5_000 });
        input.done();
        const comment = {
          postId: readId(params.id, 'post'),
          body: text,
          requestKey: readRequestKey(headers),
        };
        return { status: 201, body: await comments.create(user, comment) };
      },
    },
  ]);
}
