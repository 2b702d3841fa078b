// The list of posts.

import { api } from './api.js';
import { $, ago, counted, guarded, h, icon, showItems } from './dom.js';
import { refresh, setLoader } from './refresh.js';

const perPage = 10;

let page = 1;
let openId;
let posts = [];

setLoader('list', async () => {
  try {
    const { data, total } = await api('GET', `/posts?page=${page}&per_page=${perPage}`);
    posts = data;
    showPager(Math.max(1, Math.ceil(total / perPage)));
  } catch (error) {
    if ($('posts').ariaBusy === 'true') showFailure();
    throw error;
  }
  show();
});

/** The latest post, once the list has been read. */
export const newestId = () => posts[0]?.id;

/** Marks the post that is open. */
export function markOpen(id) {
  openId = id;
  if ($('posts').ariaBusy !== 'true') show();
}

/** Turns to a page of the list. */
export function turnTo(next) {
  page = next;
  return refresh('list');
}

function show() {
  const entries = posts.map(({ body, updated_at, ...entry }) => ({ ...entry, isOpen: entry.id === openId }));
  showItems($('posts'), entries, listItem);
  if (posts.length === 0)
    $('posts').append(h('li', { class: 'empty' }, 'Nothing here yet. Write the first post.'));
}

function listItem({ id, title, author, created_at, comments_count, likes_count, liked, isOpen }) {
  const link = h(
    'a',
    { href: `#/posts/${id}`, 'aria-current': isOpen ? 'page' : undefined },
    h('h3', { 'data-testid': 'post-title' }, title),
    h(
      'div',
      { class: 'meta' },
      h('span', {}, `${author.name} · `, ago(created_at)),
      h(
        'span',
        { class: 'counts' },
        tally('leaf', likes_count, 'like', {
          'data-liked': liked ? 'true' : undefined,
          'data-testid': 'item-likes',
        }),
        tally('talk', comments_count, 'comment', { 'data-testid': 'item-comments' }),
      ),
    ),
  );
  return h('li', { 'data-testid': 'post-item', 'data-id': id }, link);
}

function tally(name, count, noun, attributes) {
  const words = h('span', { class: 'hidden' }, ` ${counted(count, noun).replace(/^\d+ /, '')}`);
  return h('span', { class: 'tally', ...attributes }, icon(name), `${count}`, words);
}

function showPager(pages) {
  $('pages').textContent = `${page} of ${pages}`;
  $('pager').hidden = pages === 1;
  $('newer').disabled = page <= 1;
  $('older').disabled = page >= pages;
}

function showFailure() {
  const again = h('button', { type: 'button', click: guarded(() => refresh('list')) }, 'Try again');
  $('posts').replaceChildren(
    h('li', { class: 'empty', 'data-testid': 'list-failed' }, 'The posts could not be loaded. ', again),
  );
}

$('newer').onclick = guarded(() => turnTo(page - 1));
$('older').onclick = guarded(() => turnTo(page + 1));
