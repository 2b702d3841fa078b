// The chat of one post: what is said comes with the stream, from wherever it was said.

import { api } from './api.js';
import { composer } from './composer.js';
import { h, statement } from './dom.js';

const kept = 200;

/** A panel with the chat of a post. `add(message)` shows what was said; `addGap()` that something may be missing. */
export function chatPanel(postId) {
  const lines = h('ol', { 'data-testid': 'chat-lines', role: 'log', 'aria-label': 'Chat', tabindex: '0' });
  const hint = h('p', { class: 'hint' }, 'Whoever reads this post hears what is said here. Nobody keeps it.');
  const form = composer({
    field: h('input', {
      maxlength: 2000,
      required: '',
      placeholder: 'Say something',
      autocomplete: 'off',
      'aria-label': 'Chat message',
      'data-testid': 'chat-text',
    }),
    button: h('button', { type: 'submit', 'data-testid': 'chat-send' }, 'Say'),
    send: (text, key) => api('POST', `/posts/${postId}/chat`, { body: { text }, key }),
  });
  const append = (item) => {
    const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    hint.remove();
    lines.append(item);
    while (lines.childElementCount > kept) lines.firstElementChild.remove();
    if (isAtEnd) lines.scrollTop = lines.scrollHeight;
  };
  return {
    element: h(
      'section',
      { class: 'chat', 'aria-label': 'Chat' },
      h('h3', { class: 'label' }, 'Chat'),
      hint,
      lines,
      form,
    ),
    add: ({ user, text, at }) => append(statement({ name: user, at, text, 'data-testid': 'chat-line' })),
    addGap: () => append(h('li', { class: 'hint' }, 'Some messages may be missing here.')),
  };
}
