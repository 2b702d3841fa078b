import type { Pando } from '@pando/core';
import type { Transaction } from '@pando/core/db';
import type { User } from '../auth/user.js';
import { NotFoundError, UnauthorizedError } from '../errors.js';
import { Listing, type Paged } from '../http/listing.js';
import { notifications, personal } from '../notifications/channels.js';
import { type PostService, postTags } from '../posts/post-service.js';

/** A comment as the API shows it. */
export interface Comment {
  readonly id: number;
  readonly post_id: number;
  readonly body: string;
  readonly author: { readonly id: number; readonly name: string };
  readonly created_at: string;
}

/** What somebody has to say about a post. */
export interface NewComment {
  readonly postId: number;
  readonly body: string;
  /** Makes it one comment, however often it is sent. */
  readonly requestKey?: string | undefined;
}

/** What has been said about posts. */
export class CommentService {
  readonly #pando: Pick<Pando, 'cache' | 'db'>;
  readonly #posts: PostService;
  readonly #secret: string;

  /** The secret signs the cursors of lists. */
  constructor(pando: Pick<Pando, 'cache' | 'db'>, posts: PostService, secret: string) {
    this.#pando = pando;
    this.#posts = posts;
    this.#secret = secret;
  }

  /** The oldest first; which part of them is in the query. @throws {@link NotFoundError} when there is no such post. */
  async list(postId: number, query: Readonly<Record<string, unknown>>): Promise<Paged<Comment>> {
    const { comments_count: total } = await this.#posts.byId(postId);
    const listing = new Listing(query, { orderBy: oldestFirst, params: [postId], secret: this.#secret });
    const load = async () => {
      const { rows } = await this.#pando.db.read<CommentRow>(
        `select c.id, c.post_id, c.body, c.created_at, u.id as author_id, u.name as author_name, ${listing.key}
         from comments c join users u on u.id = c.author_id
         where c.post_id = $1 and ${listing.where} ${listing.end}`,
        listing.params,
      );
      return listing.answer(rows, total, commentOf);
    };
    const page = await this.#pando.cache.getOrLoad(`comments:${postId}:${listing.name}`, load, {
      tags: [postTags.one(postId)],
    });
    return { ...page, total };
  }

  /**
   * Adds a comment and tells the post's author; a second request with the same key finds the first one's.
   *
   * @throws {@link NotFoundError} when there is no such post.
   */
  create(author: User, { postId, body, requestKey }: NewComment): Promise<Comment> {
    return this.#pando.db.transaction(async (tx) => {
      const posts = await tx.query<{ author_id: number; title: string }>(
        'select author_id, title from posts where id = $1 for key share',
        [postId],
      );
      const [post] = posts.rows;
      if (post === undefined) throw new NotFoundError('post');
      const { rows } = await tx.query<CommentRow>(
        `insert into comments (post_id, author_id, body, request_key) select $1, id, $3, $4 from users where id = $2
         on conflict (author_id, request_key) do nothing
         returning id, post_id, body, created_at, author_id, $5::text as author_name`,
        [postId, author.id, body, requestKey, author.name],
      );
      // The post and the lists that hold it show how many comments there are.
      tx.invalidate([postTags.one(postId), postTags.list]);
      const [row] = rows;
      if (row === undefined) return createdBefore(tx, author, requestKey);

      const event = { id: row.id, post_id: postId, title: post.title, author: author.name };
      tx.publish(notifications, { type: 'comment.created', ...event });
      if (post.author_id !== author.id)
        tx.publish(personal(post.author_id), { type: 'comment.received', ...event });
      return commentOf(row);
    });
  }
}

/** The comment of an earlier request, which has seen to it that everybody hears of it. */
async function createdBefore(
  tx: Transaction,
  author: User,
  requestKey: string | undefined,
): Promise<Comment> {
  const { rows } = await tx.query<CommentRow>(
    `select id, post_id, body, created_at, author_id, $3::text as author_name from comments
     where author_id = $1 and request_key = $2`,
    [author.id, requestKey, author.name],
  );
  const [row] = rows;
  if (row === undefined) throw new UnauthorizedError('Your account no longer exists.');
  return commentOf(row);
}

/** As the index `comments_of_post` has them. */
const oldestFirst = [['c.id', 'asc']] as const;

interface CommentRow {
  readonly id: number;
  readonly post_id: number;
  readonly body: string;
  readonly author_id: number;
  readonly author_name: string;
  readonly created_at: Date;
}

function commentOf(row: CommentRow): Comment {
  return {
    id: row.id,
    post_id: row.post_id,
    body: row.body,
    author: { id: row.author_id, name: row.author_name },
    created_at: row.created_at.toISOString(),
  };
}
