import type { RequestContext } from '../kernel/context.js';
import type { CallOptions } from './api.js';
import type { Urgency } from './ports.js';

/** How urgent a call is: what it says itself counts, else what its context says. */
export function urgencyOf(
  kind: 'write' | 'read',
  { priority }: CallOptions,
  context: RequestContext,
): Urgency {
  return (priority ?? context.priority) === 'batch' ? 'batch' : kind;
}
