import { createRequire } from 'node:module';
import { fastify } from 'fastify';

/** Every version that is tested, by the name under which it is installed. */
export const frameworks = Object.freeze({
  fastify,
  'fastify-lowest': createRequire(import.meta.url)('fastify-lowest') as typeof fastify,
});
