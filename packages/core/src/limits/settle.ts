import { type Counting, countings } from './algorithms.js';
import type { AskKind, LimitAsk, LimitRule, LimitVerdict } from './ports.js';

/** A counter: the numbers of each window in turn, and last, if there ever was one, the end of its block. */
export type CounterState = readonly number[];

/** What became of a counter. */
export interface Settled {
  readonly verdict: LimitVerdict;
  /** To be stored; undefined when nothing changed. */
  readonly state: CounterState | undefined;
  /** How long it tells anything; 0 when it may be forgotten now. */
  readonly keepMs: number;
}

/** Less than anybody can spend, more than the error of adding fractions up. */
const slack = 1e-6;

/**
 * Carries out one ask on one counter, for stores that can read and write it in one step.
 *
 * `state` is what was stored last, undefined if nothing is; `nowMicros` the time of a clock that all share, in microseconds.
 */
export function settle(state: CounterState | undefined, ask: LimitAsk, nowMicros: number): Settled {
  const { rule, kind, amount } = ask;
  const counting = countings[rule.algorithm];
  const block = rule.windows.length * counting.size;
  const s = kind === 'reset' || state === undefined ? [] : [...state];
  const each = (visit: (a: number, p: number, l: number) => void) =>
    rule.windows.forEach(({ limit, windowMs }, w) => {
      visit(w * counting.size, windowMs * 1_000, limit);
    });
  each((a, p, l) => counting.turn(s, a, nowMicros, p, l));
  if (kind === 'block') s[block] = nowMicros + amount;
  if (kind === 'penalize') each((a) => counting.add(s, a, amount));
  if (kind === 'reward') each((a) => counting.add(s, a, -amount));
  if (kind === 'return') each((a, p, l) => counting.giveBack(s, a, amount, ask.lentAt ?? 0, nowMicros, p, l));
  const verdict = judge(counting, s, ask, nowMicros);
  if (kind === 'peek' || (spends(kind) && !verdict.fits)) return { verdict, state: undefined, keepMs: 0 };
  return { verdict, state: s, keepMs: keepOf(counting, rule, s, nowMicros) };
}

function spends(kind: AskKind): boolean {
  return kind === 'spend' || kind === 'lend';
}

/** Decides, and counts what is spent. */
function judge(counting: Counting, s: number[], ask: LimitAsk, now: number): LimitVerdict {
  const { rule, kind, amount } = ask;
  const blockedUntil = s[rule.windows.length * counting.size] ?? 0;
  if (blockedUntil > now) {
    return { fits: false, window: -1, remaining: 0, resetMs: Math.ceil((blockedUntil - now) / 1_000) };
  }
  const cost = spends(kind) || kind === 'peek' ? amount : 1;
  let tightest = 0;
  let left = Number.POSITIVE_INFINITY;
  let refusal: LimitVerdict | undefined;
  let longest = Number.NEGATIVE_INFINITY;
  for (const [w, { limit, windowMs }] of rule.windows.entries()) {
    const [a, p] = [w * counting.size, windowMs * 1_000];
    const used = counting.used(s, a, now, p);
    const room = limit - used;
    if (used + cost > limit + slack) {
      const wait = cost > limit ? p : counting.wait(s, a, now, p, limit, cost);
      if (wait <= longest) continue;
      longest = wait;
      const remaining = Math.max(0, Math.floor(room + slack));
      refusal = { fits: false, window: w, remaining, resetMs: Math.ceil(wait / 1_000) };
    } else if (Math.floor(room - cost + slack) < left) {
      tightest = w;
      left = Math.floor(room - cost + slack);
    }
  }
  if (refusal !== undefined) return refusal;
  const lent = kind === 'lend' ? Math.min(ask.wanted ?? 0, Math.floor(left / (ask.parts ?? 1))) : 0;
  if (spends(kind)) for (const w of rule.windows.keys()) counting.add(s, w * counting.size, cost + lent);
  const { limit, windowMs } = rule.windows[tightest] as LimitRule['windows'][number];
  const resetMicros = counting.reset(s, tightest * counting.size, now, windowMs * 1_000, limit);
  const verdict = {
    fits: true,
    window: tightest,
    remaining: spends(kind) ? left - lent : left + cost,
    resetMs: Math.ceil(resetMicros / 1_000),
  };
  if (kind !== 'lend') return verdict;
  return { ...verdict, loan: { amount: lent, lentAt: now, forMs: lastsMs(counting, rule, s, now) } };
}

function lastsMs(counting: Counting, { windows }: LimitRule, s: readonly number[], now: number): number {
  const each = windows.map(({ windowMs }, w) => counting.lasts(s, w * counting.size, now, windowMs * 1_000));
  return Math.floor(Math.min(...each)) / 1_000;
}

function keepOf(counting: Counting, { windows }: LimitRule, s: readonly number[], now: number): number {
  let keep = (s[windows.length * counting.size] ?? 0) - now;
  let isUsed = keep > 0;
  for (const [w, { limit, windowMs }] of windows.entries()) {
    const [a, p] = [w * counting.size, windowMs * 1_000];
    isUsed ||= counting.used(s, a, now, p) > 0;
    keep = Math.max(keep, counting.keep(s, a, now, p, limit));
  }
  return isUsed ? Math.max(0, Math.ceil(keep / 1_000)) : 0;
}
