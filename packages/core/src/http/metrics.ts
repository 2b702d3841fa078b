import type { Instrument } from '../kernel/meter.js';

/** What the door counts. */
export const httpInstruments = {
  requests: {
    name: 'pando_http_requests_total',
    help: 'Requests that are over, by route template. A client that went away before it had its answer counts as status 499.',
    type: 'counter',
    labels: ['method', 'route', 'status'],
    values: {
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', '_OTHER'],
      route: 'each route template of the application, and (unmatched)',
      status: 'each HTTP status that was answered',
    },
  },
  duration: {
    name: 'pando_http_request_duration_seconds',
    help: 'Time from the arrival of a request to the end of its answer. Streams are left out.',
    type: 'histogram',
    labels: ['method', 'route'],
    values: {
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', '_OTHER'],
      route: 'each route template of the application, and (unmatched)',
    },
    buckets: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2.5, 5, 10],
  },
  inFlight: {
    name: 'pando_http_requests_in_flight',
    help: 'Requests being answered now, streams left out.',
    type: 'gauge',
  },
  tokensIgnored: {
    name: 'pando_http_tokens_ignored_total',
    help: 'Causal tokens that arrived but were not ours: malformed, or signed with another secret.',
    type: 'counter',
    labels: ['reason'],
    values: { reason: ['malformed', 'foreign'] },
  },
  tokensKept: {
    name: 'pando_http_kept_tokens_total',
    help: 'Tokens kept for users, by outcome: found or none, when a request asked; unknown, when Redis did not say in time, so that the request read from the primary; stored, when a request wrote; late, when Redis did not take it in time and it is tried again.',
    type: 'counter',
    labels: ['outcome'],
    values: { outcome: ['found', 'none', 'unknown', 'stored', 'late'] },
  },
  cacheRequests: {
    name: 'pando_http_cache_requests_total',
    help: 'Requests of cached routes, by outcome: hit (answered out of the cache, or by what another request had just been answered), miss (by their own handler), or bypass (none of the cache: by method, identity, range, or as the answer was lately not for storing).',
    type: 'counter',
    labels: ['outcome'],
    values: { outcome: ['hit', 'miss', 'bypass'] },
  },
  cacheUnstored: {
    name: 'pando_http_cache_unstored_total',
    help: 'Answers of cached routes that were not for storing, by reason: status, cookie, secret, directive, vary, stream, size, wrote, or method.',
    type: 'counter',
    labels: ['reason'],
    values: {
      reason: ['status', 'cookie', 'secret', 'directive', 'vary', 'stream', 'size', 'wrote', 'method'],
    },
  },
  banned: {
    name: 'pando_http_banned_total',
    help: 'Requests and WebSocket handshakes that were refused at the door, as the address of the client is banned.',
    type: 'counter',
  },
  upgrades: {
    name: 'pando_http_upgrades_total',
    help: 'WebSocket handshakes by route template and the status that answered them.',
    type: 'counter',
    labels: ['route', 'status'],
    values: {
      route: 'each WebSocket path template of the application',
      status: 'each HTTP status that was answered; 101 for a connection',
    },
  },
} satisfies Record<string, Instrument>;
