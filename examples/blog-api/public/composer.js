// A field and a button that send what somebody has written.

import { newKey } from './api.js';
import { guarded, h } from './dom.js';

/** Keeps the text until `send(text, key)` has worked; the same text sent again is the same request. */
export function composer({ field, button, send }) {
  let attempt;
  const submit = guarded(async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text === '' || button.disabled) return;
    if (attempt?.text !== text) attempt = { text, key: newKey() };
    button.disabled = true;
    try {
      if ((await send(text, attempt.key)) === false) return;
      attempt = undefined;
      if (field.value.trim() === text) field.value = '';
    } finally {
      button.disabled = false;
    }
  });
  const form = h('form', { class: 'composer', submit }, field, button);
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return form;
}
