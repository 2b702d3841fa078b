// Telling what others have done, wherever they did it.

import { note } from './dom.js';

const sentences = {
  'post.created': ({ author, title }) => `${author} published “${title}”`,
  'post.updated': ({ author, title }) => `${author} changed “${title}”`,
  'post.deleted': ({ author, title }) => `${author} deleted “${title}”`,
  'comment.created': ({ author, title }) => `${author} commented on “${title}”`,
  'comment.received': ({ author, title }) => `${author} commented on your post “${title}”`,
  'like.received': ({ author, title }) => `${author} likes your post “${title}”`,
};

/** Says it in the corner; what somebody did themselves they know. */
export function announce(event, me) {
  const sentence = sentences[event.type]?.(event);
  if (sentence === undefined || event.author === me?.name) return;
  const href = event.type === 'post.deleted' ? undefined : `#/posts/${event.post_id ?? event.id}`;
  // Of a comment on one's own post there are two events, and the second says more.
  const about = event.post_id === undefined ? undefined : `comment ${event.id}`;
  note(sentence, { href, about, 'data-testid': 'news', 'data-type': event.type });
}
