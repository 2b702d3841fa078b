// Live notifications: something has happened, wherever it was done.

import { observe } from './api.js';
import { $, note } from './dom.js';

const sentences = {
  'post.created': ({ author, title }) => `${author} published “${title}”`,
  'post.updated': ({ author, title }) => `${author} changed “${title}”`,
  'post.deleted': ({ author, title }) => `${author} deleted “${title}”`,
  'comment.created': ({ author, title }) => `${author} commented on “${title}”`,
  'comment.received': ({ author, title }) => `${author} commented on your post “${title}”`,
};

let stream;

/**
 * Calls `onChange` when what is on display may be out of date, with the event that says so if there is one. Call it again when somebody has signed in or out: a
 * signed-in stream brings their own notices, too.
 */
export function listen(onChange) {
  stream?.close();
  stream = new EventSource('/api/v1/notifications/sse?format=envelope');
  stream.onopen = () => show('live', 'live');
  stream.onerror = () => {
    // An answer other than a stream ends the browser's own attempts: an instance may have been on its way out.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 1_000 + 2_000 * Math.random(), onChange);
    show('lost', 'reconnecting');
  };
  stream.onmessage = ({ data }) => {
    const { t: token, d: event } = JSON.parse(data);
    observe(token);
    announce(event);
    onChange(event);
  };
  // The server cannot say what was missed.
  stream.addEventListener('reset', () => onChange());
}

function show(state, text) {
  $('live').dataset.state = state;
  $('live').textContent = text;
}

function announce(event) {
  const sentence = sentences[event.type]?.(event);
  if (sentence === undefined) return;
  const href = event.type === 'post.deleted' ? undefined : `#/posts/${event.post_id ?? event.id}`;
  // Of a comment on one's own post there are two events, and the second says more.
  const about = event.post_id === undefined ? undefined : `comment ${event.id}`;
  note(sentence, { href, about, 'data-testid': 'news', 'data-type': event.type });
}
