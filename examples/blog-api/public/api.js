// Asking the server, until somebody answers.

import { request } from './live.js';

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
  const headers = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (key !== undefined) headers['idempotency-key'] = key;
  return request(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
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
