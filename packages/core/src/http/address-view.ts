import type { IncomingMessage } from 'node:http';

/**
 * The client's address as a framework sees it, for a request that the framework never sees: an upgrade.
 *
 * Frameworks compute `request.ip` in their request's prototype, by the proxies that the application trusts: so the prototype
 * of one of its requests, over what is known of this one, tells. Undefined where it does not.
 */
export function addressSeenBy(prototype: object, request: IncomingMessage): string | undefined {
  const { headers, socket } = request;
  const view = Object.create(prototype, {
    raw: { value: request }, // Fastify
    headers: { value: headers }, // Express
    socket: { value: socket },
    connection: { value: socket },
  }) as { readonly ip?: unknown };
  return typeof view.ip === 'string' ? view.ip : undefined;
}
