// Who is here: signing in and out.

import { api, newKey } from './api.js';
import { $, guarded, onSubmit } from './dom.js';

/** Who is signed in. */
export let me;

/** Scripts cannot see the session's cookie: this remembers whether it is worth asking. */
const signedInKey = 'blog.signed-in';
const visitorKey = 'blog.visitor';

/** Tells guests apart, so that one who comes back is counted once. */
export function visitor() {
  if (localStorage.getItem(visitorKey) === null) localStorage.setItem(visitorKey, newKey());
  return localStorage.getItem(visitorKey);
}

let onChange;

/** Finds out who is here; calls `changed` whenever that is somebody else. */
export async function startAccount(changed) {
  onChange = changed;
  if (localStorage.getItem(signedInKey) !== null) setMe(await api('GET', '/auth/me').catch(() => undefined));
}

function setMe(user) {
  me = user;
  if (user === undefined) localStorage.removeItem(signedInKey);
  else localStorage.setItem(signedInKey, 'yes');
  $('who').textContent = user?.name ?? '';
  $('sign-in').hidden = user !== undefined;
  $('sign-out').hidden = user === undefined;
}

/** Opens the dialog to `sign-in` or `register`. */
export function openAccount(mode) {
  const dialog = $('account');
  const isNew = mode === 'register';
  const title = isNew ? 'Create an account' : 'Sign in';
  dialog.dataset.mode = mode;
  dialog.querySelector('h2').textContent = title;
  dialog.querySelector('[type=submit]').textContent = isNew ? 'Create' : title;
  dialog.querySelector('[data-only=register]').hidden = !isNew;
  dialog.querySelector('.error').textContent = '';
  const password = dialog.querySelector('[name=password]');
  password.autocomplete = isNew ? 'new-password' : 'current-password';
  password.placeholder = isNew ? 'At least 8 characters' : '';
  password.minLength = isNew ? 8 : 0; // a wrong one is the server's to refuse
  $('account-mode').textContent = isNew ? 'I have an account' : 'I have no account';
  if (!dialog.open) dialog.showModal();
}

onSubmit($('account'), async ({ name, ...login }) => {
  const isNew = $('account').dataset.mode === 'register';
  const registration = name === '' ? login : { name, ...login };
  setMe(await api('POST', isNew ? '/auth/register' : '/auth/login', { body: isNew ? registration : login }));
  onChange();
});

$('sign-in').onclick = () => openAccount('sign-in');
$('sign-out').onclick = guarded(async () => {
  await api('POST', '/auth/logout');
  setMe(undefined);
  onChange();
});
$('account-mode').onclick = () =>
  openAccount($('account').dataset.mode === 'register' ? 'sign-in' : 'register');
