export type {
  Authorize,
  ChannelAction,
  Connection,
  SocketConnection,
  SocketSession,
  SseSession,
} from './connection.js';
export type {
  Message,
  Published,
  PublishOptions,
  Reset,
  ResetReason,
  SubscribeOptions,
  Subscription,
} from './message.js';
export type { Realtime } from './realtime.js';
