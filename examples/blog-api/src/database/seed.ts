import type { Database, Transaction } from '@pando/core/db';
import { alone } from './migrate.js';
import { type SamplePost, sampleAuthors, samplePosts } from './samples.js';

/** Gives an empty blog something to read. */
export async function seed(db: Database): Promise<void> {
  await alone(db, async (tx) => {
    const { rowCount } = await tx.query('select from users limit 1');
    if (rowCount > 0) return;
    for (const name of sampleAuthors) {
      await tx.query('insert into users (email, name) values ($1, $2)', [
        `${name.toLowerCase()}@example.com`,
        name,
      ]);
    }
    for (const post of samplePosts) await addPost(tx, post);
  });
}

async function addPost(
  tx: Transaction,
  { author, title, body, hoursAgo, comments, likedBy }: SamplePost,
): Promise<void> {
  const { rows } = await tx.query<{ id: number }>(
    `insert into posts (author_id, title, body, created_at, updated_at)
     select id, $2, $3, at, at from users, (select now() - make_interval(hours => $4::int) as at) as age where name = $1
     returning id`,
    [author, title, body, hoursAgo],
  );
  await tx.query('insert into likes (post_id, user_id) select $1, id from users where name = any($2)', [
    rows[0]?.id,
    likedBy,
  ]);
  for (const comment of comments) {
    await tx.query(
      `insert into comments (post_id, author_id, body, created_at)
       select p.id, u.id, $3, p.created_at + interval '20 minutes' from posts p, users u where p.id = $1 and u.name = $2`,
      [rows[0]?.id, comment.author, comment.body],
    );
  }
}
