// The page of the blog: finds its way, listens, and has read again what has changed.

import { me, openAccount, startAccount, visitor } from './account.js';
import { api, newKey } from './api.js';
import { $, guarded, icon, onSubmit } from './dom.js';
import './fleet.js';
import { markOpen, newestId, showNewest } from './list.js';
import { listen } from './live.js';
import { announce } from './news.js';
import { missChat, openId, openPost, showGone, takeChat, takeReader } from './post.js';
import { refresh } from './refresh.js';

// ---- What happens elsewhere

const readAgain = guarded(refresh);

const news = {
  onMessage: ({ data }) => takeNews(data),
  getState: () => refresh('list', 'post', 'comments'),
};

function takeNews(event) {
  announce(event, me);
  const isComment = event.type.startsWith('comment.');
  const isOpen = (isComment ? event.post_id : event.id) === openId();
  if (isOpen && event.type === 'post.deleted') showGone();
  readAgain('list', ...(isOpen ? [isComment ? 'comments' : 'post'] : []));
}

/** Follows what concerns everybody, oneself, and the open post. */
function follow() {
  const post = openId();
  const channels = { notifications: news };
  if (me !== undefined) channels[`user:${me.id}`] = { onMessage: news.onMessage };
  if (post !== undefined) {
    channels[`chat:blog:${post}`] = { onMessage: ({ data }) => takeChat(post, data), onReset: missChat };
    channels[`chat:blog:${post}#p`] = {
      onMessage: ({ data }) => takeReader(post, data),
      getState: () => refresh('readers'),
    };
  }
  const query = post === undefined ? '' : `&post=${post}`;
  listen(`/api/v1/notifications/sse?visitor=${visitor()}${query}`, channels, () => readAgain());
}

// ---- Finding one's way

/** `#/posts/3` shows that post; anything else the list and, where there is room beside it, the newest post. */
async function navigate(event) {
  const [, id] = /^#\/posts\/(\d+)$/.exec(location.hash) ?? [];
  document.body.classList.toggle('reading', id !== undefined);
  const hasRoom = matchMedia('(min-width: 54rem)').matches;
  if (newestId() === undefined) await readAgain('list');
  const next = id !== undefined ? Number(id) : hasRoom ? newestId() : undefined;
  if (next !== openId()) {
    openPost(next, { hasFocus: event !== undefined && id !== undefined });
    scrollTo(0, 0);
  }
  markOpen(next);
  follow();
  await refresh('post', 'comments');
}

// ---- Writing

const drafts = $('editor');

function openEditor(post) {
  if (me === undefined) return openAccount('register');
  drafts.dataset.id = post?.id ?? '';
  drafts.dataset.key = newKey();
  drafts.querySelector('h2').textContent = post === undefined ? 'A new post' : 'Edit post';
  drafts.querySelector('[name=title]').value = post?.title ?? '';
  drafts.querySelector('[name=body]').value = post?.body ?? '';
  drafts.showModal();
}

onSubmit(drafts, async (draft) => {
  const { id, key } = drafts.dataset;
  const post = await (id === ''
    ? api('POST', '/posts', { body: draft, key })
    : api('PUT', `/posts/${id}`, { body: draft }));
  if (id === '') await showNewest();
  location.hash = `#/posts/${post.id}`;
  await refresh('list', 'post');
});

$('write').onclick = () => openEditor();
addEventListener('edit', ({ detail: post }) => openEditor(post));

// ---- Light and dark

const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
const systemTheme = () => (systemIsDark.matches ? 'dark' : 'light');

function showTheme() {
  const { theme = systemTheme() } = document.documentElement.dataset;
  const other = theme === 'dark' ? 'light' : 'dark';
  $('theme').ariaLabel = `Switch to the ${other} theme`;
  $('theme').replaceChildren(icon(other === 'dark' ? 'moon' : 'sun'));
  $('theme').onclick = () => {
    // What the system says anyway need not be remembered.
    if (other === systemTheme()) {
      localStorage.removeItem('blog.theme');
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem('blog.theme', other);
      document.documentElement.dataset.theme = other;
    }
    showTheme();
  };
}

systemIsDark.onchange = showTheme;
showTheme();

await startAccount(
  guarded(async () => {
    follow();
    await refresh('list', 'post', 'comments', 'readers');
  }),
);
addEventListener('hashchange', guarded(navigate));
await guarded(navigate)();
