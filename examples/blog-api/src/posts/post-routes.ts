import { InputReader, readId, readPage } from '../http/input.js';
import { mount, type Route } from '../http/route.js';
import type { Draft, PostService } from './post-service.js';

/** A blog is a post with a chat: the same thing under three names. */
export const postPaths = ['/api/v1/posts', '/api/posts', '/api/blogs'];

/** Listing, reading, writing, changing and removing posts. */
export function postRoutes(posts: PostService): Route[] {
  return mount(postPaths, [
    {
      method: 'get',
      path: '',
      handle: async ({ query }) => ({ status: 200, body: await posts.list(readPage(query)) }),
    },
    {
      method: 'get',
      path: '/:id',
      handle: async ({ params }) => ({ status: 200, body: await posts.byId(readId(params.id, 'post')) }),
    },
    {
      method: 'post',
      path: '',
      auth: 'required',
      limit: 'write',
      async handle({ user, body }) {
        const post = await posts.create(user, readDraft(body));
        return { status: 201, headers: { location: `${postPaths[0]}/${post.id}` }, body: post };
      },
    },
    {
      method: 'put',
      path: '/:id',
      auth: 'required',
      limit: 'write',
      handle: async ({ user, params, body }) => ({
        status: 200,
        body: await posts.update(readId(params.id, 'post'), user, readDraft(body)),
      }),
    },
    {
      method: 'patch',
      path: '/:id',
      auth: 'required',
      limit: 'write',
      handle: async ({ user, params, body }) => ({
        status: 200,
        body: await posts.update(readId(params.id, 'post'), user, readChanges(body)),
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
