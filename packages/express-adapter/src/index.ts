export {
  type ListenOptions,
  type PandoExpress,
  pandoExpress,
} from './pando-express.js';
export type { ExpressApp, ExpressErrorHandler, ExpressHandler, ExpressRequest, Next } from './types.js';
