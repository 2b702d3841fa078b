export type { PandoError } from '../kernel/errors.js';
export type {
  ConnectOptions,
  Live,
  LiveState,
  Message,
  Presence,
  Published,
  Reset,
  SocketConstructor,
  SocketLike,
  SubscribeOptions,
  Subscription,
  Waiting,
} from './api.js';
export { connect } from './connect.js';
export { ConnectionFailedError, RefusedError } from './errors.js';
