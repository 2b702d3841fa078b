export { pandoFastify } from './pando-fastify.js';
export type { LimitOptions, PandoFastify, PandoFastifyOptions, PandoRouteConfig } from './types.js';
