import type { Cache } from '../cache/index.js';
import type { Health } from '../health/index.js';
import { PandoOptionsError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { TokenCodec } from '../kernel/token-codec.js';
import type { TokenShelf } from '../kernel/token-shelf.js';
import type { Lifecycle } from '../lifecycle/index.js';
import type { Limits } from '../limits/index.js';
import type { Metrics } from '../metrics/index.js';
import type { Overload } from '../overload/index.js';
import type { Realtime } from '../realtime/index.js';

/** The part of a kit that the door needs: what `createPando` returns is one. */
export interface Kit {
  readonly name: string;
  /** Names this instance in the header `x-pando-instance`. */
  readonly instanceId: string;
  readonly kernel: Kernel;
  readonly tokens: TokenCodec;
  readonly tokenShelf: TokenShelf;
  readonly cache: Pick<Cache, 'get' | 'getOrLoad' | 'lifetime'>;
  readonly realtime: Pick<Realtime, 'openSse' | 'openSocket' | 'refusal'>;
  readonly limits: Pick<Limits, 'policy' | 'policies' | 'consume' | 'decide' | 'banOf'>;
  readonly overload?: Pick<Overload, 'accepted' | 'admit' | 'checkGroup' | 'deadlineHeader'> | undefined;
  readonly health: Pick<Health, 'live' | 'startup' | 'ready' | 'report' | 'group' | 'groups'>;
  readonly metrics: Pick<Metrics, 'contentType' | 'expose'>;
  readonly lifecycle: Pick<Lifecycle, 'state' | 'draining' | 'ready' | 'register' | 'releaseSignals'>;
}

/** Refuses what is no kit, where no compiler did: most often the promise of one. */
export function checkKit(kit: unknown): void {
  if (typeof kit === 'object' && kit !== null && 'kernel' in kit) return;
  const got =
    kit instanceof Promise
      ? 'a promise of it. Write: const pando = await createPando(…)'
      : `${kit === undefined ? 'undefined' : `a ${typeof kit}`}. Hand over what "await createPando(…)" returned`;
  throw new PandoOptionsError({ code: 'PANDO_HTTP_OPTIONS', message: `pando must be a kit, got ${got}.` });
}
