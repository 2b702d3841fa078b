import { type Check, fine, problem, unknown } from '../check.js';
import type { HttpServer } from '../http-server.js';

/** Whether a WebSocket handshake reaches the app. */
export const httpUpgrade: Check<HttpServer> = {
  name: 'http.upgrade',
  why: 'A proxy that does not pass Upgrade and Connection on refuses every WebSocket.',
  examine({ upgrade, isDirect }) {
    if (upgrade === undefined) return [];
    const { path } = upgrade;
    const todo =
      'Pass Upgrade and Connection on in the proxy, with HTTP/1.1, and see that the path is right.';
    if ('failure' in upgrade)
      return [problem(`the connection for ${path} ended without an answer: ${upgrade.failure}`, todo)];
    const { status, plainStatus } = upgrade;
    if (status === 101) return [fine(`${path} opens`)];
    const found = `${path} is answered with ${status}`;
    // Who answers the same to any request may not have seen that it was a handshake, or may not be the app.
    if (plainStatus === status)
      return [unknown(`${found}, as is any request`, 'Give a path that needs no sign-in with --ws.')];
    if (plainStatus !== undefined) return [fine(`${found}: the handshake reaches the app, which refuses it`)];
    if (status === 404 && isDirect)
      return [unknown(`${found} by the instance itself`, 'Give the path of its WebSockets with --ws.')];
    if (status >= 500) return [unknown(found, 'See that the app runs.')];
    return [problem(found, todo)];
  },
};
