// Asking the server, and showing it what this page has seen: no instance answers with anything older.

import { showAnswer } from './instances.js';

const tokenHeader = 'pando-token-blog';

let seen = [];

/** An event has come with this token: whatever is asked from now on is at least as new as the event. */
export function observe(token) {
  if (token !== undefined) seen = [...seen, token].slice(-16); // a header has an end
}

/** Names a request, so that the server carries it out once however often it is sent. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}

const attempts = 6;
const isPassing = (status) => status >= 502 && status <= 504;

/** Asks until somebody answers: an instance may go while it has the request. What must not happen twice needs a key. */
export async function api(method, path, { body, key } = {}) {
  const isRepeatable = method !== 'POST' || key !== undefined;
  for (let attempt = 1; ; attempt++) {
    const isLast = !isRepeatable || attempt === attempts;
    const response = await send(method, path, body, key).catch(() => undefined);
    if (response !== undefined && (isLast || !isPassing(response.status))) return read(response);
    if (isLast) throw new Error('The server cannot be reached.');
    await new Promise((resolve) => setTimeout(resolve, 2 ** attempt * 50 * (1 + Math.random())));
  }
}

async function send(method, path, body, key) {
  const sent = seen;
  const headers = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (key !== undefined) headers['idempotency-key'] = key;
  if (sent.length > 0) headers[tokenHeader] = sent.join(', ');
  const response = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  showAnswer(response.headers.get('x-pando-instance'));
  const token = response.headers.get(tokenHeader);
  // It includes all that was sent. What has arrived meanwhile goes along next time.
  if (token !== null && sent === seen) seen = [token];
  return response;
}

async function read(response) {
  if (response.status === 204) return undefined;
  const answer = await response.json().catch(() => ({})); // of a balancer, it may be anything
  if (!response.ok) throw problemOf(response.status, answer);
  return answer;
}

/** Turns a problem document (RFC 9457) into an error to show. */
function problemOf(status, { title = `HTTP ${status}`, detail = title, errors = {} }) {
  const complaints = Object.entries(errors).map(([field, complaint]) => `${field} ${complaint}`);
  const error = new Error(complaints.length > 0 ? `${complaints.join('; ')}.` : detail);
  return Object.assign(error, { status });
}
