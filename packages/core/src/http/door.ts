import type { IncomingMessage, ServerResponse } from 'node:http';
import { readOptions } from '../kernel/options.js';
import type { Connection } from '../realtime/index.js';
import { type Client, ClientAddresses } from './clients.js';
import type { Exchange } from './exchange.js';
import { AdmissionHandler, type RouteLoad } from './handlers/admission.js';
import { ContextHandler } from './handlers/context.js';
import { LimitHandler } from './handlers/limit.js';
import { ProbeHandler } from './handlers/probes.js';
import { ResponseCache } from './handlers/response-cache.js';
import { SseHandler, type SseRefusal } from './handlers/sse.js';
import { WsHandler } from './handlers/ws.js';
import { type HttpOptions, resolveHttpOptions } from './http-options.js';
import { KeptTokens } from './kept-tokens.js';
import { checkKit, type Kit } from './kit.js';
import type { LimitOptions } from './limit-options.js';
import type { LimitedRoute } from './limited-route.js';
import { type FrameworkView, NodeExchange } from './node-exchange.js';
import { RequestMetrics } from './request-metrics.js';
import type { ResponseCacheOptions } from './response-cache-options.js';
import type { ResolvedSlowClients } from './slow-clients.js';
import type { SsePlan } from './sse-plan.js';
import { StreamGate } from './stream-gate.js';
import { TokenTransport } from './token-transport.js';
import { UpgradeHandler } from './upgrade.js';
import { type Visit, visitKey } from './visit.js';
import { resolveWsRoutes, type WsRoute } from './ws-route.js';

/** A request with its latest visit. */
type Visited = IncomingMessage & { [visitKey]?: Visit | undefined };

/** Everything an adapter hands requests to; knows no framework. */
export class Door {
  readonly kit: Kit;
  readonly probes: ProbeHandler;
  /** As the options say. */
  readonly balancerIdleMs: number | undefined;
  readonly slowClients: ResolvedSlowClients | false;
  readonly #clients: ClientAddresses;
  readonly #admissions: AdmissionHandler;
  readonly #contexts: ContextHandler;
  readonly #gate: StreamGate;
  readonly #limits: LimitHandler;
  readonly #metrics: RequestMetrics;
  readonly #sse: SseHandler;
  readonly #tokens: TokenTransport;
  readonly #ws: WsHandler;

  /** `beside`: see {@link resolveHttpOptions}. */
  constructor(kit: Kit, options: HttpOptions | undefined, beside?: readonly string[]) {
    checkKit(kit);
    const resolved = resolveHttpOptions(options, beside, kit.health.groups);
    this.kit = kit;
    this.balancerIdleMs = resolved.balancerIdleMs;
    this.slowClients = resolved.slowClients;
    this.probes = new ProbeHandler(kit, resolved);
    this.#tokens = new TokenTransport(kit.name, kit.tokens, kit.kernel.meter, resolved);
    const kept = resolved.tokens && new KeptTokens(kit, resolved.tokens);
    this.#admissions = new AdmissionHandler(kit, resolved);
    this.#contexts = new ContextHandler(kit, this.#tokens, kept);
    this.#clients = new ClientAddresses(resolved.clients, kit.kernel.logger);
    this.#limits = new LimitHandler(kit, this.#clients, resolved.limitHeaders);
    this.#metrics = new RequestMetrics(kit.kernel);
    this.#gate = new StreamGate(kit);
    this.#sse = new SseHandler(kit, this.#gate, this.#clients);
    this.#ws = new WsHandler(kit);
  }

  /** The exchange of a request of node:http, with what the framework knows better. */
  exchange(request: IncomingMessage, response: ServerResponse, view?: FrameworkView): NodeExchange {
    return new NodeExchange(request, response, view, this.#clients);
  }

  /** The address of a request's client. `told` is what the framework makes of its own proxy settings. */
  clientAddress(request: IncomingMessage, told?: string): string {
    return this.#clients.of(request, told);
  }

  /** The visit of a request, where it has begun. */
  visitOf(request: IncomingMessage): Visit | undefined {
    let visit = (request as Visited)[visitKey];
    while (visit !== undefined && visit.door !== this) visit = visit.before;
    return visit;
  }

  /** Begins the visit of a request. */
  begin(request: IncomingMessage, exchange: Exchange): Visit {
    const record = this.#metrics.begin(exchange);
    const { context, ready } = this.#contexts.open(exchange);
    const visit: Visit = {
      door: this,
      before: (request as Visited)[visitKey],
      exchange,
      context,
      record,
      admission: undefined,
      isRecorded: false,
      ready,
    };
    exchange.onEnd((outcome) => {
      this.#metrics.end(record, outcome);
      this.#admissions.ended(visit, outcome);
      this.#sse.ended(exchange);
    });
    (request as Visited)[visitKey] = visit;
    return visit;
  }

  /** Runs code, and everything it calls and awaits, in the context of a visit. */
  run<T>({ context }: Visit, code: () => T): T {
    return this.kit.kernel.contexts.run(context, code);
  }

  /** Runs code as {@link Door.run} does, once it is known what the client has seen: at once, unless that has to be asked for. */
  enter(visit: Visit, code: () => void): void {
    if (visit.ready === undefined) {
      this.run(visit, code);
      return;
    }
    void visit.ready.then(() => {
      visit.ready = undefined;
      this.run(visit, code);
    });
  }

  /** Runs code in the context of a request's visit, where the framework has lost it on the way; without a visit, as it is. */
  resume<T>(request: IncomingMessage, code: () => T): T {
    const visit = this.visitOf(request);
    return visit === undefined ? code() : this.run(visit, code);
  }

  /**
   * A policy at a route, for {@link Door.limit}. Throws at once when there is no such policy or tier, or when what the route
   * says beside it cannot be right. `beside` are names in the same object that the adapter reads.
   */
  limitedRoute<Request>(
    policy: string,
    options: LimitOptions<Request> = {},
    beside?: readonly string[],
  ): LimitedRoute<Request> {
    return this.#limits.route(policy, options, beside);
  }

  /** Throws at once when a route's own settings name something that no route has. */
  checkRoute(settings: object): void {
    const reader = readOptions('http.route', settings);
    for (const key of ['limit', 'cache', 'priority', 'group']) reader.any(key);
    reader.done();
    this.#admissions.check(settings);
  }

  /**
   * Says why the request may not begin now, whoever is banned by address or what {@link AdmissionHandler.admit} says; undefined
   * where it may. Never throws.
   */
  refusal(visit: Visit, load: RouteLoad = {}): Error | undefined {
    try {
      return this.#limits.ban(visit.exchange.ip) ?? this.#admissions.admit(visit, load);
    } catch (error) {
      return error as Error;
    }
  }

  /** Lets the request pass, or hands on a `LimitExceededError`: see {@link LimitHandler.consume}. */
  limit<Request>(
    { exchange }: Visit,
    route: LimitedRoute<Request>,
    request: Request,
    next: (refusal?: unknown) => void,
  ): void {
    this.#limits.consume(exchange, route, request, next);
  }

  /** The cache of one route's answers. @throws `PandoOptionsError` */
  responses<Request>(options: ResponseCacheOptions<Request> | undefined): ResponseCache<Request> {
    return new ResponseCache(this.kit, options);
  }

  /** Answers with a stream, or refuses: see {@link SseHandler.open}. */
  async sse(visit: Visit, plan: SsePlan | SseRefusal): Promise<Connection | undefined> {
    const { exchange, record } = visit;
    const connection = await this.#sse.open(exchange, plan, record.beganAt);
    if (exchange.streaming) {
      this.#metrics.becomeStream(record);
      this.#admissions.becameStream(visit);
    }
    return connection;
  }

  /** What accepts WebSockets on these paths, from clients at the addresses that the framework sees. @throws `PandoOptionsError` */
  upgrades(
    routes: WsRoute | readonly WsRoute[] | undefined,
    addressOf?: (request: IncomingMessage) => string | undefined,
  ): UpgradeHandler {
    const resolved = resolveWsRoutes(routes);
    const whoIs = (request: IncomingMessage): Client => {
      const ip = this.#clients.of(request, addressOf?.(request));
      const ban = this.#limits.ban(ip);
      if (ban !== undefined) throw ban;
      return { ip, key: this.#clients.keyOf(ip) };
    };
    return new UpgradeHandler(
      this.kit,
      this.#tokens,
      this.#ws,
      this.#gate,
      this.#admissions,
      resolved,
      whoIs,
    );
  }

  /**
   * Ends the streams and sockets that came through this door; their clients come back, to another instance. Until this is
   * disposed no new ones are opened: a plan or an `authenticate` may be on its way still.
   */
  endStreams(): Disposable {
    const closed = this.#gate.close();
    this.#sse.closeAll();
    this.#ws.closeAll();
    return closed;
  }
}
