// One post: its text, its likes and comments, and who is there.

import { me, openAccount } from './account.js';
import { api } from './api.js';
import { chatPanel } from './chat.js';
import { composer } from './composer.js';
import { $, ago, avatar, counted, guarded, h, icon, showItems, statement } from './dom.js';
import { readersPanel } from './readers.js';
import { refresh, setLoader } from './refresh.js';

const perPage = 50;

/** The post on display: its id, and what was built for it. */
let open;

/** Shows a post, or none. `hasFocus`: whoever opened it reads on there. */
export function openPost(id, { hasFocus = false } = {}) {
  if (id === open?.id) return;
  const waiting = [backLink(), h('div', { class: 'skeleton tall', 'aria-hidden': 'true' })];
  $('post').replaceChildren(...(id === undefined ? [] : waiting));
  open = id === undefined ? undefined : { id, readers: readersPanel(id), chat: chatPanel(id), hasFocus };
  document.title = 'Quaking Leaves';
}

export const openId = () => open?.id;

/** Hands over what came with the stream for one of the channels of this post. */
export function takeChat(postId, message) {
  if (postId === open?.id) open.chat.add(message);
}

export function takeReader(postId, event) {
  if (postId === open?.id) open.readers.take(event);
}

export function missChat() {
  open?.chat.addGap();
}

setLoader('post', () => reading(async (post) => show(post, await api('GET', `/posts/${post.id}`))));

setLoader('comments', () =>
  reading(async (post) => {
    const path = `/posts/${post.id}/comments?per_page=${perPage}`;
    const last = Math.max(1, Math.ceil((post.total ?? 0) / perPage));
    // The latest page and the one before it: a page that has just begun would be short.
    const from = Math.max(1, Math.min(post.from ?? last - 1, last));
    const pages = Array.from({ length: last - from + 1 }, (_, index) => from + index);
    const answers = await Promise.all(pages.map((page) => api('GET', `${path}&page=${page}`)));
    const { total } = answers.at(-1);
    if (post !== open) return;
    if (Math.ceil(total / perPage) > last) void refresh('comments'); // there is a page more than was known
    Object.assign(post, {
      total,
      comments: answers.flatMap(({ data }) => data),
      hidden: (from - 1) * perPage,
      from: post.from,
    });
    if (post.isBuilt) showComments(post);
  }),
);

setLoader('readers', () => reading((post) => post.readers.load()));

/** Reads something for the open post, which may be gone, or closed meanwhile. */
async function reading(read) {
  const post = open;
  if (post === undefined) return;
  try {
    await read(post);
  } catch (error) {
    if (post !== open) return;
    if (error.status === 404) return showGone();
    if (!post.isBuilt) showFailure();
    throw error;
  }
}

/** Says that the open post is no more. */
export function showGone() {
  open = undefined;
  $('post').replaceChildren(
    backLink(),
    h('p', { class: 'empty', 'data-testid': 'post-gone' }, 'This post is gone.'),
  );
}

function showFailure() {
  const again = h(
    'button',
    { type: 'button', click: guarded(() => refresh('post', 'comments')) },
    'Try again',
  );
  $('post').replaceChildren(backLink(), h('p', { class: 'empty' }, 'This post could not be loaded. ', again));
}

/** Replaces the texts that have changed, and leaves the panels: what somebody is typing there stays. */
function show(view, post) {
  if (view !== open) return;
  view.post = post;
  if (!view.isBuilt) build(view);
  const { title, body, author, created_at, updated_at } = post;
  const version = JSON.stringify([title, body]);
  if (view.version !== version) {
    view.version = version;
    document.title = `${title} · Quaking Leaves`;
    const edited = updated_at === created_at ? [] : [' · changed ', ago(updated_at)];
    const heading = h('h2', { class: 'title', tabindex: '-1', 'data-testid': 'open-title' }, title);
    const meta = [avatar(author.name), h('b', {}, author.name), ' · ', ago(created_at), ...edited];
    view.text.replaceChildren(
      heading,
      h('p', { class: 'meta author' }, ...meta),
      h('div', { class: 'prose', 'data-testid': 'open-body' }, body),
    );
    if (view.hasFocus) heading.focus({ preventScroll: true });
    view.hasFocus = false;
  }
  view.own.hidden = me?.id !== author.id;
  showLike(view);
  if (view.comments !== undefined) showComments(view);
}

function build(view) {
  view.isBuilt = true;
  view.text = h('div');
  view.like = h('button', {
    type: 'button',
    class: 'like',
    click: guarded(() => toggleLike(view)),
    'data-testid': 'like',
  });
  view.own = ownerButtons(view);
  view.heading = h('h3', { class: 'label', 'data-testid': 'comment-count' }, 'Comments');
  const clickEarlier = guarded(() => showEarlier(view));
  view.earlier = h('button', { type: 'button', class: 'link', hidden: '', click: clickEarlier });
  view.list = h('ol', { 'data-testid': 'comments', 'aria-busy': 'true' });
  const discussion = h(
    'section',
    { class: 'comments', 'aria-label': 'Comments' },
    view.heading,
    view.earlier,
    view.list,
    commentForm(view),
  );
  $('post').replaceChildren(
    h(
      'div',
      { class: 'story' },
      backLink(),
      view.text,
      h('div', { class: 'acts' }, view.like, view.own),
      discussion,
    ),
    h('aside', { class: 'panel', 'aria-label': 'Live' }, view.readers.element, view.chat.element),
  );
}

const backLink = () => h('a', { class: 'back', href: '#/', 'data-testid': 'back' }, '← All posts');

// ---- Likes

/** What was clicked is shown at once, and taken back if it does not work. */
async function toggleLike(view) {
  if (me === undefined) return openAccount('sign-in');
  if (view.wish !== undefined) return;
  view.wish = !view.post.liked;
  showLike(view);
  try {
    const likes = await api(view.wish ? 'PUT' : 'DELETE', `/posts/${view.id}/like`);
    Object.assign(view.post, likes);
  } finally {
    view.wish = undefined;
    showLike(view);
  }
}

function showLike({ like, post, wish = post.liked }) {
  const count = post.likes_count + Number(wish) - Number(post.liked);
  if (like.dataset.count === `${count}` && like.ariaPressed === `${wish}`) return;
  like.ariaPressed = `${wish}`;
  like.dataset.count = count;
  like.replaceChildren(
    icon('leaf'),
    h('span', { 'data-testid': 'like-count' }, count === 0 ? 'Like' : counted(count, 'like')),
  );
}

// ---- Comments

function showComments({ heading, earlier, list, comments, total, hidden }) {
  heading.textContent = total === 0 ? 'No comments yet' : counted(total, 'comment');
  earlier.hidden = hidden === 0;
  earlier.textContent = `Show ${Math.min(hidden, perPage)} earlier`;
  showItems(list, comments, ({ author, created_at, body }) =>
    statement({ name: author.name, at: created_at, text: body, 'data-testid': 'comment' }),
  );
}

function showEarlier(view) {
  view.from = view.hidden / perPage;
  return refresh('comments');
}

function commentForm(view) {
  return composer({
    field: h('textarea', {
      rows: 1,
      required: '',
      maxlength: 5000,
      placeholder: 'Add a comment',
      'aria-label': 'Comment',
      'data-testid': 'comment-text',
    }),
    button: h('button', { type: 'submit', 'data-testid': 'comment-send' }, 'Send'),
    async send(body, key) {
      if (me === undefined) {
        openAccount('sign-in');
        return false;
      }
      await api('POST', `/posts/${view.id}/comments`, { body: { body }, key });
      await refresh('comments', 'list');
    },
  });
}

// ---- Its author's part

function ownerButtons(view) {
  const remove = guarded(async () => {
    if (!confirm('Delete this post and its comments?')) return;
    await api('DELETE', `/posts/${view.id}`);
    location.hash = '#/';
  });
  const edit = () => dispatchEvent(new CustomEvent('edit', { detail: view.post }));
  return h(
    'span',
    { class: 'own', hidden: '' },
    h('button', { type: 'button', 'data-testid': 'edit', click: edit }, 'Edit'),
    h('button', { type: 'button', class: 'danger', 'data-testid': 'delete', click: remove }, 'Delete'),
  );
}
