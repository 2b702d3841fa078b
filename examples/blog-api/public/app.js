// The page of the blog: plain DOM, EventSource and WebSocket. Whatever people wrote is set as text, never as HTML.

const perPage = 10;
const tokenHeader = 'pando-token-blog';
const $ = (id) => document.getElementById(id);

let me; // who is signed in
let page = 1;
let openId; // the post on display
let chat; // its chat

// ---- Asking the server

/** What this page has seen, for the header that keeps any instance from showing it the past. */
let seen = [];

async function api(method, path, body) {
  const sent = seen;
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(sent.length === 0 ? {} : { [tokenHeader]: sent.join(', ') }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  showInstance(response.headers.get('x-pando-instance'));
  const token = response.headers.get(tokenHeader);
  if (token && sent === seen) seen = [token]; // it includes all that was sent; what has arrived meanwhile goes next time
  const answer = response.status === 204 ? undefined : await response.json();
  if (response.ok) return answer;
  const { detail, title, errors = {} } = answer;
  const complaints = Object.entries(errors).map(([field, complaint]) => `${field} ${complaint}`);
  const error = new Error(complaints.length > 0 ? `${complaints.join('; ')}.` : (detail ?? title));
  throw Object.assign(error, { status: response.status });
}

const answeredBy = [];

function showInstance(name) {
  if (!name) return;
  answeredBy.unshift(name);
  answeredBy.length = Math.min(answeredBy.length, 5);
  $('answers').replaceChildren(
    ...answeredBy.map((each) => h('span', { class: 'chip', 'data-testid': 'instance' }, each)),
  );
}

// ---- Building the page

/** An element. Strings among the children become text. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

function ago(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? [];
  const text = unit === undefined ? 'just now' : relative.format(Math.round(seconds / size), unit);
  return h('time', { datetime: iso, title: new Date(iso).toLocaleString() }, text);
}

const counted = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

async function showList() {
  const { data, total } = await api('GET', `/posts?page=${page}&per_page=${perPage}`);
  const pages = Math.max(1, Math.ceil(total / perPage));
  $('pages').textContent = `${page} of ${pages}`;
  $('newer').disabled = page <= 1;
  $('older').disabled = page >= pages;
  $('posts').replaceChildren(
    ...data.map((post) => {
      const current = post.id === openId ? 'page' : undefined;
      const meta = [
        `${post.author.name} · `,
        ago(post.created_at),
        ` · ${counted(post.comments_count, 'comment')}`,
      ];
      const title = h('h3', { 'data-testid': 'post-title' }, post.title);
      const link = h(
        'a',
        { href: `#/posts/${post.id}`, 'aria-current': current },
        title,
        h('p', { class: 'meta' }, ...meta),
      );
      return h('li', { 'data-testid': 'post-item', 'data-id': post.id }, link);
    }),
  );
  return data;
}

async function showPost() {
  const id = openId;
  if (id === undefined) return;
  try {
    const [post, comments] = await Promise.all([
      api('GET', `/posts/${id}`),
      api('GET', `/posts/${id}/comments?per_page=100`),
    ]);
    if (id !== openId) return;
    updatePost(post, comments);
  } catch (error) {
    if (id !== openId) return;
    if (error.status !== 404) throw error;
    leaveChat();
    $('post').replaceChildren(backLink(), h('p', { 'data-testid': 'post-gone' }, 'This post is gone.'));
  }
}

const backLink = () => h('a', { class: 'back', href: '#/' }, '← All posts');

/** Replaces the texts and leaves the panels: what somebody is typing there stays. */
function updatePost(post, comments) {
  const article = $('post');
  if (article.dataset.id !== String(post.id) || !article.querySelector('.below')) {
    article.dataset.id = post.id;
    article.replaceChildren(
      h('div', { class: 'text' }),
      h('div', { class: 'below' }, commentPanel(post.id), chatPanel(post.id)),
    );
  }
  const edited = post.updated_at === post.created_at ? [] : [' · changed ', ago(post.updated_at)];
  const isMine = me !== undefined && me.id === post.author.id;
  article
    .querySelector('.text')
    .replaceChildren(
      backLink(),
      h('h1', { 'data-testid': 'open-title' }, post.title),
      h('p', { class: 'meta' }, `${post.author.name} · `, ago(post.created_at), ...edited),
      h('div', { class: 'prose', 'data-testid': 'open-body' }, post.body),
      ...(isMine ? [ownerButtons(post)] : []),
    );
  article.querySelector('.comments h2').textContent = counted(comments.total, 'comment');
  article
    .querySelector('.comments ol')
    .replaceChildren(
      ...comments.data.map((comment) =>
        h(
          'li',
          { 'data-testid': 'comment' },
          byline(comment.author.name, comment.created_at),
          h('p', { class: 'said' }, comment.body),
        ),
      ),
    );
}

const byline = (name, iso) => h('span', { class: 'by' }, h('b', {}, name), ' · ', ago(iso));

function ownerButtons(post) {
  const remove = async () => {
    if (!confirm('Delete this post and its comments?')) return;
    await api('DELETE', `/posts/${post.id}`);
    location.hash = '#/';
    await showList();
  };
  return h(
    'div',
    { class: 'own' },
    h('button', { type: 'button', 'data-testid': 'edit', click: () => openEditor(post) }, 'Edit'),
    h(
      'button',
      { type: 'button', class: 'danger', 'data-testid': 'delete', click: guarded(remove) },
      'Delete',
    ),
  );
}

function commentPanel(id) {
  const text = h('textarea', {
    name: 'body',
    rows: 1,
    required: '',
    maxlength: 5000,
    placeholder: 'Add a comment',
    'aria-label': 'Comment',
    'data-testid': 'comment-text',
  });
  const submit = async (event) => {
    event.preventDefault();
    if (me === undefined) return openAccount();
    await api('POST', `/posts/${id}/comments`, { body: text.value });
    text.value = '';
    await refresh();
  };
  return h(
    'section',
    { class: 'panel comments' },
    h('h2', { class: 'label', 'data-testid': 'comment-count' }),
    h('ol', { 'data-testid': 'comments' }),
    h(
      'form',
      { submit: guarded(submit) },
      text,
      h('button', { type: 'submit', 'data-testid': 'comment-send' }, 'Send'),
    ),
  );
}

// ---- Chat

function chatPanel(id) {
  const lines = h('ol', { 'data-testid': 'chat-lines', 'aria-live': 'polite' });
  const hint = h('p', { class: 'hint', 'data-testid': 'chat-state' }, 'Connecting …');
  const text = h('input', {
    maxlength: 2000,
    required: '',
    placeholder: 'Say something',
    'aria-label': 'Chat message',
    autocomplete: 'off',
    'data-testid': 'chat-text',
  });
  const submit = (event) => {
    event.preventDefault();
    if (chat?.send(text.value)) text.value = '';
  };
  joinChat(id, lines, hint);
  return h(
    'section',
    { class: 'panel chat' },
    h('h2', { class: 'label' }, 'Chat'),
    lines,
    hint,
    h('form', { submit }, text, h('button', { type: 'submit', 'data-testid': 'chat-send' }, 'Say')),
  );
}

function joinChat(id, lines, hint) {
  leaveChat();
  let socket;
  let attempts = 0;
  let hasLeft = false;
  const connect = () => {
    if (hasLeft) return;
    socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/blogs/${id}/ws`);
    socket.onopen = () => {
      attempts = 0;
      hint.textContent = 'Everybody who has this post open reads along.';
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === 'error') hint.textContent = message.message;
      if (message.type !== 'chat.message') return;
      const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
      lines.append(
        h(
          'li',
          { 'data-testid': 'chat-line' },
          byline(message.user, message.at),
          h('p', { class: 'said' }, message.text),
        ),
      );
      if (isAtEnd) lines.scrollTop = lines.scrollHeight;
    };
    socket.onclose = () => {
      if (hasLeft) return;
      hint.textContent = 'Reconnecting …';
      // Spread out, so that a restarted instance is not met by everybody at once.
      setTimeout(connect, Math.min(10_000, 250 * 2 ** attempts++) * (0.5 + Math.random()));
    };
  };
  chat = {
    send(text) {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify({ text }));
      return true;
    },
    leave() {
      hasLeft = true;
      socket.close();
    },
  };
  connect();
}

function leaveChat() {
  chat?.leave();
  chat = undefined;
}

// ---- Live notifications

let stream;

/** Opened again when somebody signs in or out: a signed-in stream brings their own notices, too. */
function listen() {
  stream?.close();
  stream = new EventSource('/api/notifications/sse?format=envelope');
  stream.onopen = () => showLive('live', 'live');
  stream.onerror = () =>
    showLive('lost', stream.readyState === EventSource.CLOSED ? 'offline: reload' : 'reconnecting');
  stream.onmessage = ({ data }) => {
    const { t: token, d: event } = JSON.parse(data);
    if (token !== undefined) seen = [...seen, token].slice(-16); // a header has an end
    announce(event);
    refresh();
  };
  // The server cannot say what was missed: read everything afresh.
  stream.addEventListener('reset', refresh);
}

function showLive(state, text) {
  $('live').dataset.state = state;
  $('live').textContent = text;
}

const sentences = {
  'post.created': ({ author, title }) => `${author} published “${title}”`,
  'post.updated': ({ author, title }) => `${author} changed “${title}”`,
  'post.deleted': ({ author, title }) => `${author} deleted “${title}”`,
  'comment.created': ({ author, title }) => `${author} commented on “${title}”`,
  'comment.received': ({ author, title }) => `${author} commented on your post “${title}”`,
};

function announce(event) {
  const sentence = sentences[event.type]?.(event);
  if (sentence === undefined) return;
  const id = event.post_id ?? event.id;
  const isGone = event.type === 'post.deleted';
  const item = h(
    isGone ? 'p' : 'a',
    {
      class: 'news-item',
      href: isGone ? undefined : `#/posts/${id}`,
      'data-testid': 'news-item',
      'data-type': event.type,
    },
    sentence,
  );
  $('news').append(item);
  while ($('news').childElementCount > 3) $('news').firstElementChild.remove();
  setTimeout(() => item.remove(), 6_000);
}

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
    } catch (error) {
      console.warn('Could not refresh.', error); // the next event, or a reload, tries again
    } finally {
      refreshing = undefined;
    }
  })();
  return refreshing;
}

// ---- Account and editor

function openAccount(mode = 'sign-in') {
  const dialog = $('account');
  dialog.dataset.mode = mode;
  const isNew = mode === 'register';
  const title = isNew ? 'Create an account' : 'Sign in';
  dialog.querySelector('h2').textContent = title;
  dialog.querySelector('[type=submit]').textContent = isNew ? 'Create' : title;
  dialog.querySelector('[data-only=register]').hidden = !isNew;
  dialog.querySelector('[name=password]').autocomplete = isNew ? 'new-password' : 'current-password';
  $('account-mode').textContent = isNew ? 'I have an account' : 'I have no account';
  if (!dialog.open) dialog.showModal();
}

$('account-mode').onclick = () =>
  openAccount($('account').dataset.mode === 'register' ? 'sign-in' : 'register');

onSubmit('account', async (fields) => {
  const isNew = $('account').dataset.mode === 'register';
  const { name, ...rest } = fields;
  setMe(await api('POST', isNew ? '/auth/register' : '/auth/login', isNew && name ? fields : rest));
  listen();
  await refresh();
});

function openEditor(post) {
  if (me === undefined) return openAccount('register');
  const dialog = $('editor');
  dialog.dataset.id = post?.id ?? '';
  dialog.querySelector('h2').textContent = post ? 'Edit post' : 'A new post';
  dialog.querySelector('[name=title]').value = post?.title ?? '';
  dialog.querySelector('[name=body]').value = post?.body ?? '';
  dialog.showModal();
}

onSubmit('editor', async (draft) => {
  const { id } = $('editor').dataset;
  const post = id ? await api('PUT', `/posts/${id}`, draft) : await api('POST', '/posts', draft);
  page = 1;
  location.hash = `#/posts/${post.id}`;
  await refresh();
});

/** Sends the form of a dialog. The dialog stays open, and says why, until that has worked. */
function onSubmit(id, send) {
  const dialog = $(id);
  const form = dialog.querySelector('form');
  const complaint = dialog.querySelector('.error');
  const button = dialog.querySelector('[type=submit]');
  dialog.querySelector('.cancel').onclick = () => dialog.close();
  dialog.onclose = () => {
    form.reset();
    complaint.textContent = '';
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await send(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      complaint.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  };
}

/** Scripts cannot see the session's cookie: this remembers whether it is worth asking. */
const rememberedKey = 'blog.signed-in';

async function whoAmI() {
  if (localStorage.getItem(rememberedKey) === null) return undefined;
  return api('GET', '/auth/me').catch(() => undefined);
}

function setMe(user) {
  me = user;
  if (user === undefined) localStorage.removeItem(rememberedKey);
  else localStorage.setItem(rememberedKey, 'yes');
  $('who').textContent = user?.name ?? '';
  $('sign-in').hidden = user !== undefined;
  $('sign-out').hidden = user === undefined;
}

/** Says what went wrong where there is no dialog to say it. */
function guarded(action) {
  return (...args) =>
    action(...args)?.catch?.((error) => {
      const item = h('p', { class: 'news-item', 'data-testid': 'problem' }, error.message);
      $('news').append(item);
      setTimeout(() => item.remove(), 6_000);
    });
}

// ---- Finding one's way

/** `#/posts/3` shows that post, anything else the list; beside which, where there is room, the newest post. */
async function navigate() {
  const [, id] = /^#\/posts\/(\d+)$/.exec(location.hash) ?? [];
  document.body.classList.toggle('reading', id !== undefined);
  const isNarrow = matchMedia('(max-width: 54rem)').matches;
  const previous = openId;
  openId = id === undefined ? undefined : Number(id);
  const posts = await showList();
  if (openId === undefined && !isNarrow) {
    openId = posts[0]?.id;
    if (openId !== undefined) await showList();
  }
  if (openId !== previous) {
    leaveChat();
    $('post').replaceChildren();
    scrollTo(0, 0);
  }
  await showPost();
}

$('write').onclick = () => openEditor();
$('sign-in').onclick = () => openAccount();
$('sign-out').onclick = guarded(async () => {
  await api('POST', '/auth/logout');
  setMe(undefined);
  listen();
  await refresh();
});
$('newer').onclick = guarded(() => turnTo(page - 1));
$('older').onclick = guarded(() => turnTo(page + 1));

function turnTo(next) {
  page = next;
  return showList();
}

addEventListener('hashchange', guarded(navigate));
setMe(await whoAmI());
listen();
await guarded(navigate)();
