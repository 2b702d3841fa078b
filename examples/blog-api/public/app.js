// The page of the blog: a list, a post, and what people do with them.

import { api } from './api.js';
import { openChat } from './chat.js';
import { $, ago, byline, counted, guarded, h, onSubmit } from './dom.js';
import { listen } from './news.js';

const perPage = 10;

let me; // who is signed in
let page = 1; // of the list
let openId; // the post on display
let chat; // its chat

// ---- The list

async function showList() {
  const { data, total } = await api('GET', `/posts?page=${page}&per_page=${perPage}`);
  const pages = Math.max(1, Math.ceil(total / perPage));
  $('pages').textContent = `${page} of ${pages}`;
  $('pager').hidden = pages === 1;
  $('newer').disabled = page <= 1;
  $('older').disabled = page >= pages;
  $('posts').replaceChildren(...data.map(listItem));
  return data;
}

function listItem({ id, title, author, created_at, comments_count }) {
  const meta = [`${author.name} · `, ago(created_at), ` · ${counted(comments_count, 'comment')}`];
  const link = h(
    'a',
    { href: `#/posts/${id}`, 'aria-current': id === openId ? 'page' : undefined },
    h('h3', { 'data-testid': 'post-title' }, title),
    h('p', { class: 'meta' }, ...meta),
  );
  return h('li', { 'data-testid': 'post-item', 'data-id': id }, link);
}

// ---- The post

async function showPost() {
  const id = openId;
  if (id === undefined) return;
  try {
    const [post, comments] = await Promise.all([
      api('GET', `/posts/${id}`),
      api('GET', `/posts/${id}/comments?per_page=100`),
    ]);
    if (id === openId) fillPost(post, comments);
  } catch (error) {
    if (error.status !== 404) throw error;
    if (id === openId) showGone();
  }
}

function showGone() {
  closePost();
  $('post').append(backLink(), h('p', { 'data-testid': 'post-gone' }, 'This post is gone.'));
}

function closePost() {
  chat?.leave();
  chat = undefined;
  $('post').replaceChildren();
}

/** Replaces the texts and leaves the panels: what somebody is typing there stays. */
function fillPost(post, comments) {
  const article = $('post');
  if (chat === undefined) {
    chat = openChat(post.id);
    const below = h('div', { class: 'below' }, commentPanel(post.id), chat.panel);
    article.replaceChildren(h('div', { class: 'text' }), below);
  }
  const edited = post.updated_at === post.created_at ? [] : [' · changed ', ago(post.updated_at)];
  article
    .querySelector('.text')
    .replaceChildren(
      backLink(),
      h('h1', { 'data-testid': 'open-title' }, post.title),
      h('p', { class: 'meta' }, `${post.author.name} · `, ago(post.created_at), ...edited),
      h('div', { class: 'prose', 'data-testid': 'open-body' }, post.body),
      ...(me?.id === post.author.id ? [ownerButtons(post)] : []),
    );
  article.querySelector('.comments h2').textContent = counted(comments.total, 'comment');
  article.querySelector('.comments ol').replaceChildren(...comments.data.map(commentItem));
}

const backLink = () => h('a', { class: 'back', href: '#/', 'data-testid': 'back' }, '← All posts');

function commentItem({ author, created_at, body }) {
  const said = h('p', { class: 'said' }, body);
  return h('li', { 'data-testid': 'comment' }, byline(author.name, created_at), said);
}

function ownerButtons(post) {
  const remove = guarded(async () => {
    if (!confirm('Delete this post and its comments?')) return;
    await api('DELETE', `/posts/${post.id}`);
    location.hash = '#/';
  });
  return h(
    'div',
    { class: 'own' },
    h('button', { type: 'button', 'data-testid': 'edit', click: () => openEditor(post) }, 'Edit'),
    h('button', { type: 'button', class: 'danger', 'data-testid': 'delete', click: remove }, 'Delete'),
  );
}

function commentPanel(postId) {
  const text = h('textarea', {
    rows: 1,
    required: '',
    maxlength: 5000,
    placeholder: 'Add a comment',
    'aria-label': 'Comment',
    'data-testid': 'comment-text',
  });
  const send = guarded(async (event) => {
    event.preventDefault();
    if (me === undefined) return openAccount('sign-in');
    await api('POST', `/posts/${postId}/comments`, { body: text.value });
    text.value = '';
    await refresh();
  });
  return h(
    'section',
    { class: 'panel comments' },
    h('h2', { class: 'label', 'data-testid': 'comment-count' }),
    h('ol', { 'data-testid': 'comments' }),
    h('form', { submit: send }, text, h('button', { type: 'submit', 'data-testid': 'comment-send' }, 'Send')),
  );
}

// ---- What is on display, again

let refreshing;
let isStale = false;

/** Reads again what is on display. However many events arrive meanwhile, once more is enough. */
function refresh() {
  isStale = true;
  refreshing ??= (async () => {
    try {
      while (isStale) {
        isStale = false;
        await Promise.all([showList(), showPost()]);
      }
    } finally {
      refreshing = undefined;
    }
  })();
  return refreshing;
}

const onNews = guarded((event) => {
  if (event?.type === 'post.deleted' && event.id === openId) {
    openId = undefined;
    showGone();
  }
  return refresh();
});

// ---- Account and editor

/** Scripts cannot see the session's cookie: this remembers whether it is worth asking. */
const signedInKey = 'blog.signed-in';

async function whoAmI() {
  if (localStorage.getItem(signedInKey) === null) return undefined;
  return api('GET', '/auth/me').catch(() => undefined);
}

function setMe(user) {
  me = user;
  if (user === undefined) localStorage.removeItem(signedInKey);
  else localStorage.setItem(signedInKey, 'yes');
  $('who').textContent = user?.name ?? '';
  $('sign-in').hidden = user !== undefined;
  $('sign-out').hidden = user === undefined;
}

function openAccount(mode) {
  const dialog = $('account');
  const isNew = mode === 'register';
  const title = isNew ? 'Create an account' : 'Sign in';
  dialog.dataset.mode = mode;
  dialog.querySelector('h2').textContent = title;
  dialog.querySelector('[type=submit]').textContent = isNew ? 'Create' : title;
  dialog.querySelector('[data-only=register]').hidden = !isNew;
  dialog.querySelector('[name=password]').autocomplete = isNew ? 'new-password' : 'current-password';
  $('account-mode').textContent = isNew ? 'I have an account' : 'I have no account';
  if (!dialog.open) dialog.showModal();
}

onSubmit($('account'), async ({ name, ...login }) => {
  const isNew = $('account').dataset.mode === 'register';
  const registration = name === '' ? login : { name, ...login };
  setMe(await api('POST', isNew ? '/auth/register' : '/auth/login', isNew ? registration : login));
  listen(onNews);
  await refresh();
});

function openEditor(post) {
  if (me === undefined) return openAccount('register');
  const dialog = $('editor');
  dialog.dataset.id = post?.id ?? '';
  dialog.querySelector('h2').textContent = post === undefined ? 'A new post' : 'Edit post';
  dialog.querySelector('[name=title]').value = post?.title ?? '';
  dialog.querySelector('[name=body]').value = post?.body ?? '';
  dialog.showModal();
}

onSubmit($('editor'), async (draft) => {
  const { id } = $('editor').dataset;
  const post = await (id === '' ? api('POST', '/posts', draft) : api('PUT', `/posts/${id}`, draft));
  page = 1;
  location.hash = `#/posts/${post.id}`;
  await refresh();
});

const signOut = async () => {
  await api('POST', '/auth/logout');
  setMe(undefined);
  listen(onNews);
  await refresh();
};

// ---- Finding one's way

/** `#/posts/3` shows that post; anything else the list and, where there is room beside it, the newest post. */
async function navigate() {
  const [, id] = /^#\/posts\/(\d+)$/.exec(location.hash) ?? [];
  document.body.classList.toggle('reading', id !== undefined);
  const hasRoom = matchMedia('(min-width: 54rem)').matches;
  const next = id !== undefined ? Number(id) : hasRoom ? (await showList())[0]?.id : undefined;
  if (next !== openId) {
    closePost();
    scrollTo(0, 0);
  }
  openId = next;
  await refresh();
}

async function turnTo(next) {
  page = next;
  await showList();
}

$('write').onclick = () => openEditor();
$('sign-in').onclick = () => openAccount('sign-in');
$('sign-out').onclick = guarded(signOut);
$('account-mode').onclick = () =>
  openAccount($('account').dataset.mode === 'register' ? 'sign-in' : 'register');
$('newer').onclick = guarded(() => turnTo(page - 1));
$('older').onclick = guarded(() => turnTo(page + 1));
addEventListener('hashchange', guarded(navigate));

setMe(await whoAmI());
listen(onNews);
await guarded(navigate)();
