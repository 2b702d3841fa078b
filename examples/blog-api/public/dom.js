// Building the page. Whatever people wrote is set as text, never as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with attributes and listeners; strings among the children become text. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** One of the icons that index.html draws. */
export function icon(name) {
  const svg = (tag) => document.createElementNS('http://www.w3.org/2000/svg', tag);
  const use = filled(svg('use'), { href: `#i-${name}` }, []);
  return filled(svg('svg'), { class: 'glyph', 'aria-hidden': 'true' }, [use]);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * Makes a list show `items`, each with an `id`, in this order. Entries that have not changed stay as they are: what has
 * the focus keeps it, and only what is new appears.
 */
export function showItems(list, items, make) {
  const isFirst = list.ariaBusy === 'true';
  list.ariaBusy = 'false';
  const keys = new Set(items.map(({ id }) => String(id)));
  for (const element of [...list.children]) if (!keys.has(element.dataset.key)) element.remove();
  const old = new Map([...list.children].map((element) => [element.dataset.key, element]));
  for (const [index, item] of items.entries()) {
    const version = JSON.stringify(item);
    let element = old.get(String(item.id));
    if (element?.version !== version) {
      const next = Object.assign(make(item), { version });
      next.dataset.key = item.id;
      if (element !== undefined) element.replaceWith(next);
      else if (!isFirst) next.classList.add('new');
      element = next;
    }
    const there = list.children[index];
    if (there !== element) list.insertBefore(element, there ?? null);
  }
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** How long ago that was; the exact time on hovering. */
export function ago(iso) {
  return h('time', { datetime: iso, title: new Date(iso).toLocaleString() }, sinceThen(iso));
}

function sinceThen(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? [];
  return unit === undefined ? 'just now' : relative.format(Math.round(seconds / size), unit);
}

setInterval(() => {
  for (const time of document.querySelectorAll('time')) time.textContent = sinceThen(time.dateTime);
}, 30_000);

export const counted = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

export const avatar = (name) =>
  h('span', { class: 'avatar', 'aria-hidden': 'true' }, [...name][0]?.toUpperCase() ?? '?');

/** Who said something, when, and what. */
export const statement = ({ name, at, text, ...attributes }) =>
  h(
    'li',
    { class: 'statement', ...attributes },
    avatar(name),
    h('p', { class: 'by' }, h('b', {}, name), ' ', ago(at)),
    h('p', { class: 'said' }, text),
  );

const shownForMs = 6_000;

/** Shows a note in the corner for a moment, in place of one about the same thing; one with `href` leads there. */
export function note(text, { href, about, ...attributes } = {}) {
  const tag = href === undefined ? 'p' : 'a';
  const item = h(tag, { class: 'note', href, 'data-about': about, ...attributes }, text);
  for (const other of $('notes').children) if (about && other.dataset.about === about) other.remove();
  $('notes').append(item);
  while ($('notes').childElementCount > 3) $('notes').firstElementChild.remove();
  setTimeout(() => item.remove(), shownForMs);
}

/** Says what went wrong, for actions that have no place of their own to say it. */
export function guarded(action) {
  return async (...args) => {
    try {
      return await action(...args);
    } catch (error) {
      note(error.message, { 'data-testid': 'problem', about: error.message });
    }
  };
}

/** Sends the form of a dialog. The dialog stays open, and says why, until that has worked. */
export function onSubmit(dialog, send) {
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
