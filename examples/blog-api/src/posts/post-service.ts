import type { Pando } from '@pando/core';
import type { Transaction } from '@pando/core/db';
import type { User } from '../auth/user.js';
import { ForbiddenError, NotFoundError, UnauthorizedError } from '../errors.js';
import { Listing, type Paged } from '../http/listing.js';
import { notifications } from '../notifications/channels.js';

/** A post as the API shows it. */
export interface Post {
  readonly id: number;
  readonly title: string;
  readonly body: string;
  readonly author: { readonly id: number; readonly name: string };
  readonly comments_count: number;
  readonly created_at: string;
  readonly updated_at: string;
}

/** What its author can say about a post. */
export interface Draft {
  readonly title: string;
  readonly body: string;
}

/** Cache tags of posts. Each is invalidated by whatever changes what is cached under it. */
export const postTags = {
  list: 'posts',
  /** How many there are: what changes a post leaves it as it is. */
  total: 'posts:total',
  one: (id: number) => `post:${id}`,
};

/** Reads posts through the cache from any replica, and writes them so that no cache is left behind. */
export class PostService {
  readonly #pando: Pick<Pando, 'cache' | 'db'>;
  readonly #secret: string;

  /** The secret signs the cursors of lists. */
  constructor(pando: Pick<Pando, 'cache' | 'db'>, secret: string) {
    this.#pando = pando;
    this.#secret = secret;
  }

  /** @throws {@link NotFoundError} */
  byId(id: number): Promise<Post> {
    return this.#pando.cache.getOrLoad(postTags.one(id), () => this.#load(id));
  }

  /** The newest first; which part of them is in the query. @throws InvalidPageError */
  list(query: Readonly<Record<string, unknown>>): Promise<Paged<Post>> {
    const listing = new Listing(query, { orderBy: newestFirst, secret: this.#secret });
    const load = async () => {
      const [posts, total] = await Promise.all([
        this.#pando.db.read<PostRow>(
          `select ${postColumns}, ${listing.key} from ${postTables} where ${listing.where} ${listing.end}`,
          listing.params,
        ),
        this.#total(),
      ]);
      return listing.answer(posts.rows, total, postOf);
    };
    return this.#pando.cache.getOrLoad(`posts:${listing.name}`, load, { tags: [postTags.list] });
  }

  /** A value of its own, since all parts of the list show it. They depend on it by having read it. */
  #total(): Promise<number> {
    return this.#pando.cache.getOrLoad(postTags.total, async () => {
      const { rows } = await this.#pando.db.read<{ total: number }>(
        'select count(*)::int as total from posts',
      );
      return rows[0]?.total ?? 0;
    });
  }

  /** Creates a post; a second request with the same key finds the first one's. */
  async create(author: User, { title, body }: Draft, requestKey?: string): Promise<Post> {
    const id = await this.#pando.db.transaction(async (tx) => {
      const { rows } = await tx.query<{ id: number }>(
        `insert into posts (author_id, title, body, request_key) select id, $2, $3, $4 from users where id = $1
         on conflict (author_id, request_key) do nothing
         returning id`,
        [author.id, title, body, requestKey],
      );
      tx.invalidate([postTags.list, postTags.total]);
      const [created] = rows;
      if (created === undefined) return this.#createdBefore(tx, author, requestKey);
      tx.publish(notifications, { type: 'post.created', id: created.id, title, author: author.name });
      return created.id;
    });
    return this.byId(id);
  }

  /** Changes what the draft names. */
  async update(id: number, user: User, draft: Partial<Draft>): Promise<Post> {
    await this.#pando.db.transaction(async (tx) => {
      await this.#lockOwn(tx, id, user);
      const { rows } = await tx.query<Draft>(
        `update posts set title = coalesce($2, title), body = coalesce($3, body), updated_at = now()
         where id = $1 returning title, body`,
        [id, draft.title, draft.body],
      );
      tx.invalidate([postTags.one(id), postTags.list]);
      tx.publish(notifications, { type: 'post.updated', id, title: rows[0]?.title, author: user.name });
    });
    return this.byId(id);
  }

  async remove(id: number, user: User): Promise<void> {
    await this.#pando.db.transaction(async (tx) => {
      const { title } = await this.#lockOwn(tx, id, user);
      await tx.query('delete from posts where id = $1', [id]);
      tx.invalidate([postTags.one(id), postTags.list, postTags.total]);
      tx.publish(notifications, { type: 'post.deleted', id, title, author: user.name });
    });
  }

  /** The post of an earlier request, which has seen to it that everybody hears of it. */
  async #createdBefore(tx: Transaction, author: User, requestKey: string | undefined): Promise<number> {
    const { rows } = await tx.query<{ id: number }>(
      'select id from posts where author_id = $1 and request_key = $2',
      [author.id, requestKey],
    );
    const [post] = rows;
    if (post === undefined) throw new UnauthorizedError('Your account no longer exists.');
    return post.id;
  }

  async #load(id: number): Promise<Post> {
    const { rows } = await this.#pando.db.read<PostRow>(
      `select ${postColumns} from ${postTables} where p.id = $1`,
      [id],
    );
    const [row] = rows;
    if (row === undefined) throw new NotFoundError('post');
    return postOf(row);
  }

  /** Sees to it that the post is the user's, and stays what it is until the transaction ends. */
  async #lockOwn(tx: Transaction, id: number, user: User): Promise<{ readonly title: string }> {
    const { rows } = await tx.query<{ author_id: number; title: string }>(
      'select author_id, title from posts where id = $1 for update',
      [id],
    );
    const [post] = rows;
    if (post === undefined) throw new NotFoundError('post');
    if (post.author_id !== user.id) throw new ForbiddenError('Only its author can change a post.');
    return post;
  }
}

interface PostRow {
  readonly id: number;
  readonly title: string;
  readonly body: string;
  readonly author_id: number;
  readonly author_name: string;
  readonly comments_count: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** As the index `posts_newest` has them. */
const newestFirst = [
  ['p.created_at', 'desc'],
  ['p.id', 'desc'],
] as const;

const postColumns = `
  p.id, p.title, p.body, p.created_at, p.updated_at, u.id as author_id, u.name as author_name,
  (select count(*)::int from comments c where c.post_id = p.id) as comments_count`;
const postTables = 'posts p join users u on u.id = p.author_id';

/** Plain JSON, as it is once it has been in a cache: the same on a hit and on a miss. */
function postOf(row: PostRow): Post {
  return {
    id: row.id,
    title: row.title,
    body: row.body,
    author: { id: row.author_id, name: row.author_name },
    comments_count: row.comments_count,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
