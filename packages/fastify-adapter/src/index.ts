export { pandoFastify } from './pando-fastify.js';
export type { PandoFastify, PandoFastifyOptions, PandoRouteConfig, RouteLimit } from './types.js';
