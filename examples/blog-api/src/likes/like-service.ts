import { createHash } from 'node:crypto';
import type { Pando } from '@pando/core';
import type { User } from '../auth/user.js';
import { NotFoundError } from '../errors.js';
import { notifications, personal } from '../notifications/channels.js';

/** What the API shows of the likes of a post. */
export interface Likes {
  readonly likes_count: number;
  /** Whether who asks is among them. */
  readonly liked: boolean;
}

/** Cache tags of likes, the first of which is also the key of their number. Posts and lists of posts do not have them: a like leaves those in the cache. */
const likeTags = {
  post: (id: number) => `post:${id}:likes`,
  user: (id: number) => `user:${id}:likes`,
};

/** Knows who likes what. */
export class LikeService {
  readonly #pando: Pick<Pando, 'cache' | 'db'>;

  constructor(pando: Pick<Pando, 'cache' | 'db'>) {
    this.#pando = pando;
  }

  /** Adds their likes to posts. However many posts, that is two small reads: what everybody sees, and what is the viewer's own. */
  async addTo<Post extends { readonly id: number }>(
    posts: readonly Post[],
    viewer: User | undefined,
  ): Promise<(Post & Likes)[]> {
    const ids = posts.map(({ id }) => id);
    const [counts, own] = await Promise.all([this.#counts(ids), this.#likedBy(viewer, ids)]);
    return posts.map((post) => ({
      ...post,
      likes_count: counts.get(likeTags.post(post.id)) ?? 0,
      liked: own.includes(post.id),
    }));
  }

  /** Likes a post, or no longer does. Doing it twice changes nothing. @throws {@link NotFoundError} */
  async set(postId: number, user: User, liked: boolean): Promise<Likes> {
    await this.#pando.db.transaction(async (tx) => {
      const { rows } = await tx.query<{ author_id: number; title: string }>(
        'select author_id, title from posts where id = $1 for key share',
        [postId],
      );
      const [post] = rows;
      if (post === undefined) throw new NotFoundError('post');
      const { rowCount } = await tx.query(
        liked
          ? 'insert into likes (post_id, user_id) select $1, id from users where id = $2 on conflict do nothing'
          : 'delete from likes where post_id = $1 and user_id = $2',
        [postId, user.id],
      );
      // Even if nothing has changed: whoever repeats a request must see what the first one did.
      tx.invalidate([likeTags.post(postId), likeTags.user(user.id)]);
      if (rowCount === 0) return;
      const event = { id: postId, title: post.title, author: user.name };
      tx.publish(notifications, { type: liked ? 'post.liked' : 'post.unliked', ...event });
      if (liked && post.author_id !== user.id) {
        tx.publish(personal(post.author_id), { type: 'like.received', ...event });
      }
    });
    const [likes] = await this.addTo([{ id: postId }], user);
    return { likes_count: likes?.likes_count ?? 0, liked: likes?.liked ?? false };
  }

  /** A value for each post: a like makes one of them anew, however many lists show it. */
  async #counts(postIds: readonly number[]): Promise<ReadonlyMap<string, number>> {
    const idOf = new Map(postIds.map((id) => [likeTags.post(id), id]));
    return this.#pando.cache.getOrLoadMany([...idOf.keys()], async (missing) => {
      const { rows } = await this.#pando.db.read<{ post_id: number; likes: number }>(
        `select post_id, count(l.user_id)::int as likes from unnest($1::int[]) as post_id left join likes l using (post_id)
         group by post_id`,
        [missing.map((key) => idOf.get(key))],
      );
      return new Map(rows.map(({ post_id, likes }) => [likeTags.post(post_id), likes]));
    });
  }

  async #likedBy(user: User | undefined, postIds: readonly number[]): Promise<readonly number[]> {
    if (user === undefined || postIds.length === 0) return [];
    const load = async () => {
      const { rows } = await this.#pando.db.read<{ post_id: number }>(
        'select post_id from likes where user_id = $1 and post_id = any($2)',
        [user.id, postIds],
      );
      return rows.map(({ post_id }) => post_id);
    };
    return this.#pando.cache.getOrLoad(`liked:${user.id}:${nameOf(postIds)}`, load, {
      tags: [likeTags.user(user.id)],
    });
  }
}

/** A short name for a set of posts: keys have an end, and a page has up to a hundred posts. */
function nameOf(postIds: readonly number[]): string {
  return createHash('sha256').update(postIds.join()).digest('base64url').slice(0, 22);
}
