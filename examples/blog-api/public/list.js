// The list of posts.

import { api } from './api.js';
import { $, ago, counted, guarded, h, icon, showItems } from './dom.js';
import { refresh, setLoader } from './refresh.js';

const perPage = 10;

let starts = ['']; // behind which cursor each page begins, up to the one on display
let next;
let openId;
let posts = [];

setLoader('list', async () => {
  try {
    const list = await api('GET', `/posts?per_page=${perPage}${starts.at(-1)}`);
    posts = list.data;
    next = list.next && `&after=${list.next}`;
    showPager(list.total);
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

/** Turns to the newest posts, and shows those that have come since. */
export const showNewest = () => turnTo(['']);

function turnTo(pages) {
  starts = pages;
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

function showPager(total) {
  const page = starts.length;
  const pages = Math.max(page, Math.ceil(total / perPage));
  $('pages').textContent = `${page} of ${pages}`;
  $('pager').hidden = pages === 1;
  $('newer').disabled = page === 1;
  $('older').disabled = next === undefined;
}

function showFailure() {
  const again = h('button', { type: 'button', click: guarded(() => refresh('list')) }, 'Try again');
  $('posts').replaceChildren(
    h('li', { class: 'empty', 'data-testid': 'list-failed' }, 'The posts could not be loaded. ', again),
  );
}

$('newer').onclick = guarded(() => turnTo(starts.slice(0, -1)));
$('older').onclick = guarded(() => turnTo([...starts, next]));
