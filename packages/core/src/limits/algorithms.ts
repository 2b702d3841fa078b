import type { Algorithm } from './ports.js';

/**
 * One way to count one window.
 *
 * Its numbers are in a list `s` from place `a` on; `now` and the period `p` are microseconds, `l` is the limit. Written to be
 * read beside drivers/lua/count-1.lua, which does the same.
 */
export interface Counting {
  /** How many numbers it has. */
  readonly size: number;
  /** Makes of what was written earlier, or never, what holds now. A clock that was set back costs a period at most. */
  turn(s: number[], a: number, now: number, p: number, l: number): void;
  /** What counts as spent. */
  used(s: readonly number[], a: number, now: number, p: number): number;
  /** Counts more, or less, down to nothing. */
  add(s: number[], a: number, amount: number): void;
  /** How long until a cost fits that does not now, and is not above the limit, if nothing else is spent. */
  wait(s: readonly number[], a: number, now: number, p: number, l: number, cost: number): number;
  /** When the present period ends. */
  reset(s: readonly number[], a: number, now: number, p: number, l: number): number;
  /** How long what is counted now counts in full, or nearly: a tenth of a bucket drains meanwhile. */
  lasts(s: readonly number[], a: number, now: number, p: number): number;
  /** Takes out what was counted at that instant and not spent, as far as it still counts. */
  giveBack(s: number[], a: number, amount: number, lentAt: number, now: number, p: number, l: number): void;
  /** How long the numbers tell anything. */
  keep(s: readonly number[], a: number, now: number, p: number, l: number): number;
}

const at = (s: readonly number[], index: number): number => s[index] as number;

/** The tenths of a window that `strict` tells apart, and the one that is not yet over. */
const slots = 11;

/**
 * When the present period began, what was spent in the period before, and in this one. The first begins with the first call.
 *
 * Of the period before, whole points are left over: of a fraction of the last one no client could be told when it is gone, and
 * a limit of one would let one pass in two windows.
 */
const sliding: Counting = {
  size: 3,
  turn(s, a, now, p) {
    const begun = s[a];
    if (begun === undefined || now - begun >= 2 * p || begun - now > p) {
      s[a] = now;
      s[a + 1] = 0;
      s[a + 2] = 0;
    } else if (now - begun >= p) {
      s[a] = begun + p;
      s[a + 1] = at(s, a + 2);
      s[a + 2] = 0;
    }
  },
  used(s, a, now, p) {
    return Math.floor(at(s, a + 1) * (1 - Math.max(0, now - at(s, a)) / p)) + at(s, a + 2);
  },
  add(s, a, amount) {
    const spent = at(s, a + 2) + amount;
    if (spent < 0) s[a + 1] = Math.max(0, at(s, a + 1) + spent);
    s[a + 2] = Math.max(0, spent);
  },
  wait(s, a, now, p, l, cost) {
    const [begun, before, present] = [at(s, a), at(s, a + 1), at(s, a + 2)];
    const room = l - cost;
    if (present <= room) return begun + (1 - (room - present + 1) / before) * p + 1 - now;
    return begun + p + (1 - (room + 1) / present) * p + 1 - now;
  },
  reset: (s, a, now, p) => at(s, a) + p - now,
  lasts: (s, a, now, p) => at(s, a) + p - now,
  giveBack(s, a, amount, lentAt, _now, p) {
    const begun = at(s, a);
    if (lentAt >= begun) s[a + 2] = Math.max(0, at(s, a + 2) - amount);
    else if (lentAt >= begun - p) s[a + 1] = Math.max(0, at(s, a + 1) - amount);
  },
  keep: (s, a, now, p) => at(s, a) + 2 * p - now,
};

/** The number of the present tenth of a window since the epoch, and what was spent in it and in each of the ten before. */
const strict: Counting = {
  size: slots + 1,
  turn(s, a, now, p) {
    const slot = Math.floor(now / (p / 10));
    const passed = slot - (s[a] ?? Number.NEGATIVE_INFINITY);
    if (passed >= slots || passed <= -slots) {
      s[a] = slot;
      for (let i = a + 1; i <= a + slots; i++) s[i] = 0;
    } else if (passed > 0) {
      s[a] = slot;
      for (let i = a + 1; i <= a + slots; i++) s[i] = i + passed <= a + slots ? at(s, i + passed) : 0;
    }
  },
  used(s, a) {
    let sum = 0;
    for (let i = a + 1; i <= a + slots; i++) sum += at(s, i);
    return sum;
  },
  add(s, a, amount) {
    let i = a + slots;
    s[i] = at(s, i) + amount;
    while (at(s, i) < 0) {
      if (i > a + 1) s[i - 1] = at(s, i - 1) + at(s, i);
      s[i] = 0;
      i = Math.max(a + 1, i - 1);
    }
  },
  wait(s, a, now, p, l, cost) {
    let used = strict.used(s, a, now, p);
    let i = 0;
    while (used + cost > l) used -= at(s, a + ++i);
    return (at(s, a) + i) * (p / 10) - now;
  },
  reset: (_s, _a, _now, p) => p,
  lasts: (s, a, now, p) => (at(s, a) + 1) * (p / 10) - now,
  giveBack(s, a, amount, lentAt, _now, p) {
    const i = a + slots - (at(s, a) - Math.floor(lentAt / (p / 10)));
    if (i > a && i <= a + slots) s[i] = Math.max(0, at(s, i) - amount);
  },
  keep: (s, a, now, p) => (at(s, a) + slots) * (p / 10) - now,
};

const fixedEnd: Counting['wait'] = (s, a, now, p) => at(s, a) + p - now;

/** When the window began, and what was spent in it. */
const fixed: Counting = {
  size: 2,
  turn(s, a, now, p) {
    const begun = s[a];
    if (begun !== undefined && now - begun < p && begun - now <= p) return;
    s[a] = now;
    s[a + 1] = 0;
  },
  used: (s, a) => at(s, a + 1),
  add(s, a, amount) {
    s[a + 1] = Math.max(0, at(s, a + 1) + amount);
  },
  wait: fixedEnd,
  reset: (s, a, now, p, l) => fixedEnd(s, a, now, p, l, 0),
  lasts: (s, a, now, p) => at(s, a) + p - now,
  giveBack(s, a, amount, lentAt) {
    if (lentAt >= at(s, a)) s[a + 1] = Math.max(0, at(s, a + 1) - amount);
  },
  keep: (s, a, now, p, l) => fixedEnd(s, a, now, p, l, 0),
};

const drained: Counting['reset'] = (s, a, _now, p, l) => (at(s, a + 1) * p) / l;

/** When it was looked at last, and what was in the bucket then. */
const bucket: Counting = {
  size: 2,
  turn(s, a, now, p, l) {
    const seen = s[a];
    if (seen === undefined || seen - now > p) {
      s[a] = now;
      s[a + 1] = 0;
    } else if (now > seen) {
      s[a] = now;
      s[a + 1] = Math.max(0, at(s, a + 1) - ((now - seen) * l) / p);
    }
  },
  used: fixed.used,
  add: fixed.add,
  wait: (s, a, _now, p, l, cost) => ((at(s, a + 1) + cost - l) * p) / l,
  reset: drained,
  lasts: (_s, _a, _now, p) => p / 10,
  giveBack(s, a, amount, lentAt, now, p, l) {
    const undrained = Math.max(0, amount - (Math.max(0, now - lentAt) * l) / p);
    s[a + 1] = Math.max(0, at(s, a + 1) - undrained);
  },
  keep: drained,
};

/** Every way to count. */
export const countings: Readonly<Record<Algorithm, Counting>> = { sliding, strict, fixed, bucket };
