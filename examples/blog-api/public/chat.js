// The chat of one post, over a plain WebSocket.

import { byline, h } from './dom.js';

/** A panel with the chat of a post; `leave()` ends it. */
export function openChat(postId) {
  const lines = h('ol', { 'data-testid': 'chat-lines', 'aria-live': 'polite' });
  const state = h('p', { class: 'hint', 'data-testid': 'chat-state' }, 'Connecting …');
  const text = h('input', {
    maxlength: 2000,
    required: '',
    placeholder: 'Say something',
    autocomplete: 'off',
    'aria-label': 'Chat message',
    'data-testid': 'chat-text',
  });
  const line = new ChatLine(postId, {
    onOpen: () => {
      state.textContent = 'Everybody who has this post open reads along.';
    },
    onLost: () => {
      state.textContent = 'Reconnecting …';
    },
    onMessage: (message) => {
      if (message.type === 'error') state.textContent = message.message;
      if (message.type === 'chat.message') append(lines, message);
    },
  });
  const say = (event) => {
    event.preventDefault();
    if (line.send(text.value)) text.value = '';
  };
  const panel = h(
    'section',
    { class: 'panel chat' },
    h('h2', { class: 'label' }, 'Chat'),
    lines,
    state,
    h('form', { submit: say }, text, h('button', { type: 'submit', 'data-testid': 'chat-send' }, 'Say')),
  );
  return { panel, leave: () => line.close() };
}

function append(lines, { user, text, at }) {
  const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  lines.append(h('li', { 'data-testid': 'chat-line' }, byline(user, at), h('p', { class: 'said' }, text)));
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}

/** A socket that comes back, to whichever instance answers. */
class ChatLine {
  #url;
  #handlers;
  #socket;
  #attempts = 0;
  #isClosed = false;

  constructor(postId, handlers) {
    this.#url = `${location.origin.replace(/^http/, 'ws')}/api/blogs/${postId}/ws`;
    this.#handlers = handlers;
    this.#connect();
  }

  send(text) {
    if (this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ text }));
    return true;
  }

  close() {
    this.#isClosed = true;
    this.#socket.close();
  }

  #connect() {
    if (this.#isClosed) return;
    this.#socket = new WebSocket(this.#url);
    this.#socket.onopen = () => {
      this.#attempts = 0;
      this.#handlers.onOpen();
    };
    this.#socket.onmessage = ({ data }) => this.#handlers.onMessage(JSON.parse(data));
    this.#socket.onclose = () => {
      if (this.#isClosed) return;
      this.#handlers.onLost();
      // Spread out, so that an instance that starts is not met by everybody at once.
      const delayMs = Math.min(10_000, 250 * 2 ** this.#attempts++) * (0.5 + Math.random());
      setTimeout(() => this.#connect(), delayMs);
    };
  }
}
