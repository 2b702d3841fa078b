// Who reads this post right now, on whichever instance.

import { me, visitor } from './account.js';
import { api } from './api.js';
import { avatar, counted, h } from './dom.js';
import { refresh } from './refresh.js';

const shown = 5;

/** A panel with the readers of a post. `load()` asks who is there; `take(event)` hears who comes and goes. */
export function readersPanel(postId) {
  const faces = h('span', { class: 'faces', 'aria-hidden': 'true' });
  const names = h('span', { 'data-testid': 'readers' }, '…');
  let members = new Map();
  let waiting; // events that came while the list was on its way

  const show = () => {
    const asGuest = `guest:${visitor()}`;
    const self = me === undefined ? asGuest : `user:${me.id}`;
    // Who has just signed in is for some seconds still there as a guest, too.
    const there = [...members].filter(([id]) => id === self || id !== asGuest);
    const people = there.filter(([id]) => id.startsWith('user:'));
    const isGuest = members.has(self) && me === undefined;
    const guests = there.length - people.length - (isGuest ? 1 : 0);
    const others = people.filter(([id]) => id !== self).map(([, name]) => name);
    const known = [...(members.has(self) ? ['you'] : []), ...others];
    const list = known.slice(0, shown);
    if (known.length > shown) list.push(counted(known.length - shown, 'other'));
    if (guests > 0) list.push(counted(guests, 'guest'));
    names.textContent = sentence(list);
    names.dataset.count = there.length;
    faces.replaceChildren(...there.slice(0, shown).map(([, name]) => avatar(name)));
  };

  const apply = ({ type, id, info }) => {
    if (type === 'leave') members.delete(id);
    else members.set(id, info?.name ?? 'Guest');
  };

  return {
    element: h(
      'section',
      { class: 'readers', 'aria-label': 'Readers' },
      h('h3', { class: 'label' }, 'Reading now'),
      h('p', {}, faces, names),
    ),
    async load() {
      waiting ??= [];
      const { data } = await api('GET', `/posts/${postId}/readers`);
      members = new Map(data.map(({ id, name }) => [id, name]));
      for (const event of waiting) apply(event); // what the list holds already does no harm
      waiting = undefined;
      show();
    },
    take(event) {
      if (waiting !== undefined) return waiting.push(event);
      apply(event);
      show();
      if (members.size !== event.users) refresh('readers').catch(() => undefined); // not everybody is known
    },
  };
}

const listed = new Intl.ListFormat('en', { type: 'conjunction' });

function sentence(names) {
  if (names.length === 0) return 'Nobody';
  const text = listed.format(names);
  return text[0].toUpperCase() + text.slice(1);
}
