import type { Kernel } from '../kernel/kernel.js';
import type { ManyLoader } from './api.js';
import { Batch } from './batch.js';
import type { Call } from './call.js';
import type { Loads } from './loads.js';
import type { Answer, Lookup, Question, Questions } from './lookup.js';
import type { Near } from './near.js';
import type { CacheSpans, ManySpan, SharedLevel } from './ports.js';
import type { CacheRules } from './rules.js';
import type { Found } from './shelf.js';
import { usesAtOnce } from './staleness.js';
import type { Supply } from './supply.js';

/** What the values of many keys are got through. */
export interface ManyInit {
  readonly kernel: Kernel;
  readonly level: SharedLevel;
  readonly rules: CacheRules;
  readonly near: Near;
  readonly lookup: Lookup;
  readonly loads: Loads;
  readonly supply: Supply;
  /** Undefined: nobody wants spans. */
  readonly spans: CacheSpans | undefined;
}

/** What is wanted of many keys. */
export interface Wanted extends Questions {
  /** Tags that only the value can tell. */
  readonly tagsOfValue: ((value: unknown, key: string) => readonly string[]) | undefined;
  readonly load: ManyLoader<unknown>;
  readonly signal: AbortSignal | undefined;
}

/** Gets or loads the values of many keys: each judged for itself, all of them asked for and loaded together. */
export class Many {
  readonly #init: ManyInit;

  constructor(init: ManyInit) {
    this.#init = init;
  }

  /** Resolves to the values in the order of the keys, without those that there are none for. */
  async get(wanted: Wanted): Promise<Map<string, unknown>> {
    const { near, spans } = this.#init;
    const values = new Map<string, unknown>();
    const missing: string[] = [];
    const due: string[] = [];
    for (const key of wanted.keys) {
      if (values.has(key)) continue;
      const entry = near.get(key, wanted.context);
      if (entry === undefined) missing.push(key);
      else if (entry.isDue) due.push(key);
      values.set(key, entry?.value);
    }
    if (wanted.lifetime.refreshAheadRatio !== false) this.#replace(due, wanted);
    if (missing.length > 0) {
      await (spans === undefined
        ? this.#fetch(missing, wanted, values)
        : spans.withinMany(missing.length, (span) => this.#fetch(missing, wanted, values, span)));
    }
    for (const [key, value] of values) if (value === undefined) values.delete(key);
    return values;
  }

  async #fetch(
    keys: readonly string[],
    wanted: Wanted,
    values: Map<string, unknown>,
    span?: ManySpan,
  ): Promise<void> {
    const { supply } = this.#init;
    const answers = await this.#ask(keys, wanted);
    const open: [key: string, answer: Exclude<Answer, Found>][] = [];
    const due: string[] = [];
    for (let index = 0; index < keys.length; index++) {
      const [key, answer] = [keys[index] as string, answers[index] as Answer];
      if (answer.kind !== 'found') {
        open.push([key, answer]);
        continue;
      }
      values.set(key, supply.take(answer, wanted.context));
      if (answer.use !== 'fresh') due.push(key);
    }
    span?.answered(keys.length - open.length);
    this.#replace(due, wanted);
    if (open.length > 0) await this.#load(open, wanted, values);
  }

  async #load(
    open: readonly (readonly [key: string, answer: Exclude<Answer, Found>])[],
    wanted: Wanted,
    values: Map<string, unknown>,
  ): Promise<void> {
    const { supply } = this.#init;
    const { signal } = wanted;
    const batch = this.#batch(
      open.map(([key]) => key),
      wanted,
    );
    const loading = open.map(([key, answer]) => {
      const load = supply.load({ ...this.#wish(key, wanted), signal, batch }, answer);
      return load.then((value) => void values.set(key, value)).finally(() => batch.pass(key));
    });
    await Promise.all(loading);
  }

  /** Has values replaced in the background, by one call of the loader. */
  #replace(keys: readonly string[], wanted: Wanted): void {
    if (keys.length === 0) return;
    const batch = this.#batch(keys, wanted);
    for (const key of keys)
      this.#init.supply.replace({ ...this.#wish(key, wanted), signal: undefined, batch });
  }

  /** What the levels have; where that is of use, what is held here past its time is not asked for. */
  async #ask(keys: readonly string[], wanted: Wanted): Promise<readonly Answer[]> {
    const { lookup } = this.#init;
    const uses = usesAtOnce(wanted);
    if (!uses.includes('stale')) return lookup.sharedAll({ ...wanted, keys }, uses);
    const held = keys.map((key) => lookup.held(this.#question(key, wanted), uses));
    const asked = keys.filter((_, index) => held[index] === undefined);
    const answers = (await lookup.sharedAll({ ...wanted, keys: asked }, uses)).values();
    return held.map((found) => found ?? (answers.next().value as Answer));
  }

  #question(key: string, { tagsOf, lifetime, context }: Wanted): Question {
    return { key, tags: tagsOf(key), lifetime, context };
  }

  #wish(key: string, wanted: Wanted): Question & Pick<Call, 'tagsOf'> {
    const { tagsOfValue } = wanted;
    const tagsOf = tagsOfValue && ((value: unknown) => tagsOfValue(value, key));
    return { ...this.#question(key, wanted), tagsOf };
  }

  #batch(keys: readonly string[], { load, context }: Wanted): Batch {
    const { kernel, level, rules, loads } = this.#init;
    return new Batch(keys, {
      clock: kernel.clock,
      level,
      rules,
      load: (missing, ride) => loads.run({ context, load: ({ signal }) => load(missing, { signal }) }, ride),
    });
  }
}
