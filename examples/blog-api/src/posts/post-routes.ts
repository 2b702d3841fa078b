import type { User } from '../auth/user.js';
import { InputReader, readId, readRequestKey } from '../http/input.js';
import { listParameters } from '../http/listing.js';
import { mount, type Route } from '../http/route.js';
import type { LikeService } from '../likes/like-service.js';
import type { Draft, Post, PostService } from './post-service.js';

/** A blog is a post with a chat: the same thing under three names. */
export const postPaths = ['/api/v1/posts', '/api/posts', '/api/blogs'];

/** Listing, reading, writing, changing and removing posts. */
export function postRoutes(posts: PostService, likes: LikeService): Route[] {
  const show = async (post: Post, viewer: User | undefined) => (await likes.addTo([post], viewer))[0];

  return mount(postPaths, [
    {
      method: 'get',
      path: '',
      auth: 'optional',
      cached: { query: listParameters },
      async handle({ user, query }) {
        const list = await posts.list(query);
        return { status: 200, body: { ...list, data: await likes.addTo(list.data, user) } };
      },
    },
    {
      method: 'get',
      path: '/:id',
      auth: 'optional',
      cached: { query: [] },
      handle: async ({ user, params }) => ({
        status: 200,
        body: await show(await posts.byId(readId(params.id, 'post')), user),
      }),
    },
    {
      method: 'post',
      path: '',
      auth: 'required',
      limit: 'write',
      cost: 2, // everybody is told of it
      async handle({ user, body, headers }) {
        const post = await posts.create(user, readDraft(body), readRequestKey(headers));
        const location = `${postPaths[0]}/${post.id}`;
        return { status: 201, headers: { location }, body: await show(post, user) };
      },
    },
    {
      method: 'put',
      path: '/:id',
      auth: 'required',
      limit: 'write',
      handle: async ({ user, params, body }) => ({
        status: 200,
        body: await show(await posts.update(readId(params.id, 'post'), user, readDraft(body)), user),
      }),
    },
    {
      method: 'patch',
      path: '/:id',
      auth: 'required',
      limit: 'write',
      handle: async ({ user, params, body }) => ({
        status: 200,
        body: await show(await posts.update(readId(params.id, 'post'), user, readChanges(body)), user),
      }),
    },
    {
      method: 'delete',
      path: '/:id',
      auth: 'required',
      limit: 'write',
      async handle({ user, params }) {
        await posts.remove(readId(params.id, 'post'), user);
        return { status: 204 };
      },
    },
  ]);
}

const titleRule = { max: 200 };
const bodyRule = { max: 20_000 };

function readDraft(body: unknown): Draft {
  const input = new InputReader(body);
  const draft = { title: input.text('title', titleRule), body: input.text('body', bodyRule) };
  input.done();
  return draft;
}

/** Only what is to change. */
function readChanges(body: unknown): Partial<Draft> {
  const input = new InputReader(body);
  const changes = {
    ...(input.has('title') ? { title: input.text('title', titleRule) } : {}),
    ...(input.has('body') ? { body: input.text('body', bodyRule) } : {}),
  };
  input.done();
  return changes;
}
