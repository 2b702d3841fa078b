import { readOptions } from '../../kernel/options.js';
import type { AdmissionPermit, AdmissionRefusal, RequestPriority } from '../../overload/index.js';
import { deadlineOf } from '../deadline.js';
import { ClientGoneError, DeadlineExpiredError, OverloadedError } from '../errors.js';
import type { ExchangeOutcome } from '../exchange.js';
import type { ArrivingRequest, ResolvedHttpOptions } from '../http-options.js';
import type { Kit } from '../kit.js';
import type { Visit } from '../visit.js';

/** How much a request matters, and with which others it shares what it needs. */
export interface RouteLoad {
  /** @defaultValue what the option `priority` says of the request, or `'normal'` */
  readonly priority?: RequestPriority | undefined;
  /** One of `overload.groups`. @defaultValue `'default'` */
  readonly group?: string | undefined;
}

/** From what is refused last to what is refused first. */
const priorities: readonly RequestPriority[] = ['critical', 'normal', 'sheddable'];

const nothing: Disposable = { [Symbol.dispose]() {} };

const errorOf = (refusal: AdmissionRefusal): Error =>
  refusal.reason === 'expired' ? new DeadlineExpiredError() : new OverloadedError(refusal);

/** Asks `pando.overload` whether a request may begin, before anything of its body is read. */
export class AdmissionHandler {
  readonly #kit: Kit;
  readonly #priorityOf: ResolvedHttpOptions['priority'];
  #hasWarned = false;

  constructor(kit: Kit, { priority }: Pick<ResolvedHttpOptions, 'priority'>) {
    this.#kit = kit;
    this.#priorityOf = priority;
  }

  /** Checks at once what a route says. @throws `PandoOptionsError`, `UnknownGroupError` */
  check(load: RouteLoad): void {
    const reader = readOptions('http.route', load);
    reader.oneOf('priority', priorities, undefined);
    const group = reader.string('group', undefined);
    if (group !== undefined) this.#kit.overload?.checkGroup(group);
  }

  /**
   * Says why a request may not begin; undefined where it may. One that was admitted already is asked again only if the route
   * says that it matters less, or belongs elsewhere.
   */
  admit(visit: Visit, { priority, group }: RouteLoad): Error | undefined {
    if (this.#kit.overload === undefined) return undefined;
    const held = visit.admission;
    if (held === undefined) {
      if (visit.exchange.isOver) return new ClientGoneError();
      return this.#ask(visit, priority ?? this.#priorityOf?.(visit.exchange) ?? 'normal', group);
    }
    const asked = priority ?? held.priority;
    const matters = priorities.indexOf(asked) - priorities.indexOf(held.priority);
    if (matters < 0) this.#warn(asked, held.priority, visit.exchange.url);
    const isElsewhere = group !== undefined && group !== held.group;
    if (matters <= 0 && !isElsewhere) return undefined;
    this.#release(visit, 'ignored');
    return this.#ask(visit, asked, group ?? held.group);
  }

  /** Leave for a handshake to go on: it says nothing, however long it takes. Throws what to refuse it with. */
  admitHandshake(request: ArrivingRequest): Disposable {
    const { overload } = this.#kit;
    if (overload === undefined) return nothing;
    const deadlineAt = deadlineOf(request.headers, overload.deadlineHeader, this.#kit.kernel.clock);
    const admission = overload.admit({ priority: this.#priorityOf?.(request), deadlineAt });
    if (!admission.admitted) throw errorOf(admission);
    return { [Symbol.dispose]: () => admission.done('ignored') };
  }

  /** The request has become a stream: how long that lasts says nothing. */
  becameStream(visit: Visit): void {
    this.#release(visit, 'ignored');
  }

  /** The request is over. */
  ended(visit: Visit, outcome: ExchangeOutcome): void {
    const { status } = visit.exchange;
    if (outcome === 'aborted') this.#release(visit, 'abandoned');
    else if (status === 503) this.#release(visit, 'overloaded');
    else this.#release(visit, status === 429 ? 'ignored' : 'answered'); // a refusal is too quick to say anything
  }

  #ask(visit: Visit, priority: RequestPriority, group: string | undefined): Error | undefined {
    const overload = this.#kit.overload as NonNullable<Kit['overload']>;
    const deadlineAt = deadlineOf(visit.exchange.headers, overload.deadlineHeader, this.#kit.kernel.clock);
    const admission = overload.admit({ priority, group, deadlineAt });
    if (admission.admitted) {
      visit.admission = { priority, group, permit: admission };
      return undefined;
    }
    return errorOf(admission);
  }

  #release(visit: Visit, outcome: Parameters<AdmissionPermit['done']>[0]): void {
    visit.admission?.permit.done(outcome);
    visit.admission = undefined;
  }

  #warn(asked: RequestPriority, held: RequestPriority, url: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const path = url.split('?', 1)[0];
    this.#kit.kernel.logger.warn(
      { priority: asked, path },
      `priority('${asked}') comes too late for ${path}: it was admitted as ${held}. Put it before context(), or say it in the option "priority".`,
    );
  }
}
