import { readId } from '../http/input.js';
import { mount, type Route } from '../http/route.js';
import { postPaths } from '../posts/post-routes.js';
import type { LikeService } from './like-service.js';

/** Liking a post, and no longer doing so. */
export function likeRoutes(likes: LikeService): Route[] {
  const route = (method: 'put' | 'delete'): Route => ({
    method,
    path: '/:id/like',
    auth: 'required',
    limit: 'write',
    handle: async ({ user, params }) => ({
      status: 200,
      body: await likes.set(readId(params.id, 'post'), user, method === 'put'),
    }),
  });
  return mount(postPaths, [route('put'), route('delete')]);
}
