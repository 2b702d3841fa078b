export type { Applicant } from './admission.js';
export type { DisconnectOptions, Realtime } from './api.js';
export { presenceChannel } from './channel-name.js';
export type { ChannelOptions } from './channel-plans.js';
export { type CloseCode, closeCodes } from './close-codes.js';
export type {
  Arrival,
  Authorize,
  ChannelAction,
  Connection,
  Introduction,
  Overrun,
  Permission,
  Refreshed,
  SocketConnection,
  SocketSession,
  SseSession,
  StreamPresence,
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
  InvalidPresenceError,
  RealtimeDrainingError,
  RealtimeFullError,
  RealtimeRoleError,
  RealtimeUnavailableError,
  TooManyChannelsError,
  TooManyConnectionsError,
} from './errors.js';
export type {
  ChannelPosition,
  Message,
  Published,
  PublishOptions,
  Reset,
  ResetReason,
  SubscribeOptions,
  Subscription,
} from './message.js';
export { realtimeInstruments } from './metrics.js';
export { type RealtimeOptions, type RealtimeRole, realtimeDefaults } from './options.js';
export type {
  Announcement,
  AnnounceOptions,
  Appended,
  AppendOptions,
  Broker,
  BrokerListener,
  BrokerSubscription,
  Durability,
  Head,
  HeldId,
  HistoryLimits,
  LogEntry,
  LogPage,
  OutgoingMessage,
  ReadOptions,
  Retention,
} from './ports.js';
export type {
  PresenceChange,
  PresenceLease,
  PresencePage,
  PresenceRow,
  PresenceStore,
  PresentUser,
  Renewal,
} from './presence/ports.js';
export type { Presence, PresenceEvent, Present, PresentMember } from './presence/presence.js';
