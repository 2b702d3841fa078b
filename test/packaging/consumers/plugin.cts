/* A package of somebody else's, in CommonJS, that uses the adapter on the kit of the app. */
import type { Pando } from '@pando/core';
import { type PandoExpress, pandoExpress } from '@pando/express-adapter';

export function middlewareOf(pando: Pando): PandoExpress {
  return pandoExpress(pando);
}

export function contextSeenByPlugin(pando: Pando): object {
  return pando.kernel.contexts.current();
}
