export { type CloseCode, closeCodes } from './close-codes.js';
export type {
  Authorize,
  ChannelAction,
  Connection,
  SocketConnection,
  SocketSession,
  SseSession,
} from './connection.js';
export {
  createMemoryWorld,
  createRealtime,
  type MemoryWorld,
  type MemoryWorldInit,
  type RealtimeWiring,
} from './create.js';
export {
  EventTooLargeError,
  InvalidChannelError,
  InvalidEventError,
  RealtimeDrainingError,
  RealtimeFullError,
  RealtimeUnavailableError,
  TooManyChannelsError,
} from './errors.js';
export type {
  Message,
  Published,
  PublishOptions,
  Reset,
  ResetReason,
  SubscribeOptions,
  Subscription,
} from './message.js';
export { realtimeInstruments } from './metrics.js';
export { type RealtimeOptions, realtimeDefaults } from './options.js';
export type {
  Announcement,
  Appended,
  Broker,
  BrokerListener,
  BrokerSubscription,
  Heads,
  LogEntry,
  LogPage,
  OutgoingMessage,
  ReadOptions,
  Retention,
} from './ports.js';
export type { Realtime } from './realtime.js';
