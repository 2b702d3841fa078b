import { RateLimiterCompatibleAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import type { Decision, Policy } from '../decision.js';
import { LimiterOptionError } from '../errors.js';
import type { LimiterSource } from '../limits.js';
import type { PolicyLimiter } from '../ports.js';

/** In that library, a block of 0 seconds never ends. */
const endlessMs = 100 * 365 * 86_400_000;

/** Makes a limiter of rate-limiter-flexible that decides as the policy does. */
export function createLimiter(room: LimiterSource, policy: Policy): PolicyLimiter {
  return new FlexiblePolicy(room, policy);
}

/** The library's types call properties what its code has as accessors. */
const Compatible = RateLimiterCompatibleAbstract as unknown as new () => object;

/** Rejects with a result when there is no room, as limiters of that library do. */
class FlexiblePolicy extends Compatible implements PolicyLimiter {
  readonly #room: LimiterSource;
  readonly #policy: Policy;

  constructor(room: LimiterSource, policy: Policy) {
    super();
    this.#room = room;
    this.#policy = policy;
  }

  get keyPrefix(): string {
    return this.#policy.name;
  }

  /** What the first window allows. */
  get points(): number {
    return this.#policy.windows[0]?.limit ?? 0;
  }

  /** The first window, in seconds. */
  get duration(): number {
    return (this.#policy.windows[0]?.windowMs ?? 0) / 1_000;
  }

  get blockDuration(): number {
    return 0;
  }

  set blockDuration(value: number) {
    if (value) throw new LimiterOptionError(this.#policy.name, 'blockDuration', 'Call block() instead.');
  }

  get execEvenly(): boolean {
    return false;
  }

  set execEvenly(value: boolean) {
    if (value)
      throw new LimiterOptionError(this.#policy.name, 'execEvenly', 'Use the algorithm "bucket" instead.');
  }

  async consume(key: string | number, points = 1): Promise<RateLimiterRes> {
    const decision = await this.#room.consume(this.#policy.name, String(key), { cost: points });
    if (!decision.allowed) throw resultOf(decision);
    return resultOf(decision, points);
  }

  async penalty(key: string | number, points = 1): Promise<RateLimiterRes> {
    return resultOf(await this.#room.penalize(this.#policy.name, String(key), points), points);
  }

  async reward(key: string | number, points = 1): Promise<RateLimiterRes> {
    return resultOf(await this.#room.reward(this.#policy.name, String(key), points));
  }

  async get(key: string | number): Promise<RateLimiterRes | null> {
    const decision = await this.#room.peek(this.#policy.name, String(key));
    return decision.allowed && decision.remaining === decision.limit ? null : resultOf(decision);
  }

  /** Ends with the policy's windows, which is why it takes no other duration. */
  async set(key: string | number, points: number, secDuration: number): Promise<RateLimiterRes> {
    if (!this.#policy.windows.some(({ windowMs }) => windowMs === secDuration * 1_000))
      throw new LimiterOptionError(this.#policy.name, 'secDuration', `Pass ${this.duration}.`);
    await this.#room.reset(this.#policy.name, String(key));
    if (points < 1) return new RateLimiterRes(this.points, secDuration * 1_000, 0, true);
    return resultOf(await this.#room.penalize(this.#policy.name, String(key), points), points);
  }

  async block(key: string | number, secDuration: number): Promise<RateLimiterRes> {
    const durationMs = secDuration > 0 ? secDuration * 1_000 : endlessMs;
    return resultOf(await this.#room.block(this.#policy.name, String(key), durationMs));
  }

  async delete(key: string | number): Promise<boolean> {
    const present = await this.get(key);
    await this.#room.reset(this.#policy.name, String(key));
    return present !== null;
  }
}

function resultOf({ limit, remaining, resetMs }: Decision, points = 0): RateLimiterRes {
  const spent = limit - remaining;
  return new RateLimiterRes(remaining, resetMs, spent, points > 0 && spent === points);
}
