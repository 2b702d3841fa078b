// Building the page. Whatever people wrote is set as text, never as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with attributes and listeners; strings among the children become text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** How long ago that was; the exact time on hovering. */
export function ago(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? [];
  const text = unit === undefined ? 'just now' : relative.format(Math.round(seconds / size), unit);
  return h('time', { datetime: iso, title: new Date(iso).toLocaleString() }, text);
}

export const counted = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

export const byline = (name, iso) => h('span', { class: 'by' }, h('b', {}, name), ' · ', ago(iso));

const shownForMs = 6_000;

/** Shows a note in the corner for a moment, in place of one about the same thing; one with `href` leads there. */
export function note(text, { href, about, ...attributes }) {
  const item = h(
    href === undefined ? 'p' : 'a',
    { class: 'note', href, 'data-about': about, ...attributes },
    text,
  );
  for (const other of $('notes').children) if (about && other.dataset.about === about) other.remove();
  $('notes').append(item);
  while ($('notes').childElementCount > 3) $('notes').firstElementChild.remove();
  setTimeout(() => item.remove(), shownForMs);
}

/** Says what went wrong, for actions that have no place of their own to say it. */
export function guarded(action) {
  return (...args) =>
    Promise.resolve(action(...args)).catch((error) => note(error.message, { 'data-testid': 'problem' }));
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
