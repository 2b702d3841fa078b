/** What happens to posts, for everybody. */
export const notifications = 'notifications';

/** What concerns one user, for that user alone. */
export const personal = (userId: number): string => `user:${userId}`;

/** What is said at a post. */
export const chatOf = (postId: number): string => `chat:blog:${postId}`;
