// Asking the server, and showing it what this page has seen: no instance answers with anything older.

import { $, h } from './dom.js';

const tokenHeader = 'pando-token-blog';

let seen = [];

/** An event has come with this token: whatever is asked from now on is at least as new as the event. */
export function observe(token) {
  if (token !== undefined) seen = [...seen, token].slice(-16); // a header has an end
}

export async function api(method, path, body) {
  const sent = seen;
  const headers = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (sent.length > 0) headers[tokenHeader] = sent.join(', ');
  const response = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });

  showInstance(response.headers.get('x-pando-instance'));
  const token = response.headers.get(tokenHeader);
  // It includes all that was sent. What has arrived meanwhile goes along next time.
  if (token !== null && sent === seen) seen = [token];

  const answer = response.status === 204 ? undefined : await response.json();
  if (!response.ok) throw problemOf(response.status, answer);
  return answer;
}

/** Turns a problem document (RFC 9457) into an error to show. */
function problemOf(status, { title, detail = title, errors = {} }) {
  const complaints = Object.entries(errors).map(([field, complaint]) => `${field} ${complaint}`);
  const error = new Error(complaints.length > 0 ? `${complaints.join('; ')}.` : detail);
  return Object.assign(error, { status });
}

const answeredBy = [];

function showInstance(name) {
  if (name === null) return;
  answeredBy.unshift(name);
  answeredBy.length = Math.min(answeredBy.length, 5);
  $('answers').replaceChildren(
    ...answeredBy.map((each) => h('span', { class: 'chip', 'data-testid': 'instance' }, each)),
  );
}
