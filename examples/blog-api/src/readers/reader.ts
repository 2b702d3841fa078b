import type { User } from '../auth/user.js';

/** How somebody who reads a post is listed. Everybody may see it. */
export interface Reader {
  readonly id: string;
  readonly info: { readonly name: string };
}

/** A guest is told from others by a key that their browser keeps. Without one, they are counted and not listed. */
export function readerOf(user: User | undefined, visitor: unknown): Partial<Reader> {
  if (user !== undefined) return { id: `user:${user.id}`, info: { name: user.name } };
  if (typeof visitor !== 'string' || !/^[\w-]{16,64}$/.test(visitor)) return {};
  return { id: `guest:${visitor}`, info: { name: 'Guest' } };
}
