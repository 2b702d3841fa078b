import type { RequestContext } from '../kernel/context.js';
import type { Kernel } from '../kernel/kernel.js';
import type { ManyLoader } from './api.js';
import { Batch } from './batch.js';
import type { Lifetime } from './lifetime.js';
import type { Loads } from './loads.js';
import type { Answer, Lookup, Question } from './lookup.js';
import type { SharedLevel } from './ports.js';
import type { CacheRules } from './rules.js';
import { usesAtOnce } from './staleness.js';
import type { Supply } from './supply.js';

/** What the values of many keys are got through. */
export interface ManyInit {
  readonly kernel: Kernel;
  readonly level: SharedLevel;
  readonly rules: CacheRules;
  readonly lookup: Lookup;
  readonly loads: Loads;
  readonly supply: Supply;
}

/** What is wanted of many keys. */
export interface Wanted {
  readonly keys: readonly string[];
  readonly load: ManyLoader<unknown>;
  /** The tags of the value of a key, the key among them. */
  tagsOf(key: string): readonly string[];
  readonly lifetime: Lifetime;
  readonly context: RequestContext;
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
    const { supply } = this.#init;
    const values = new Map<string, unknown>();
    const missing: string[] = [];
    const due: string[] = [];
    for (const key of wanted.keys) {
      if (values.has(key)) continue;
      const entry = supply.near(key, wanted.context);
      if (entry === undefined) missing.push(key);
      else if (entry.isDue) due.push(key);
      values.set(key, entry?.value);
    }
    if (wanted.lifetime.refreshAheadRatio !== false) this.#replace(this.#questions(due, wanted), wanted);
    if (missing.length > 0) await this.#fetch(this.#questions(missing, wanted), wanted, values);
    for (const [key, value] of values) if (value === undefined) values.delete(key);
    return values;
  }

  #questions(keys: readonly string[], { tagsOf, lifetime, context }: Wanted): readonly Question[] {
    return keys.map((key) => ({ key, tags: tagsOf(key), lifetime, context }));
  }

  async #fetch(questions: readonly Question[], wanted: Wanted, values: Map<string, unknown>): Promise<void> {
    const { supply } = this.#init;
    const { context, signal } = wanted;
    const answers = await this.#ask(questions, wanted);
    const open = questions.filter((_, index) => answers[index]?.kind !== 'found');
    const batch = this.#batch(open, wanted);
    const due: Question[] = [];
    const loading: Promise<void>[] = [];
    for (let index = 0; index < questions.length; index++) {
      const question = questions[index] as Question;
      const answer = answers[index] as Answer;
      const { key } = question;
      if (answer.kind === 'found') {
        values.set(key, supply.take(answer.found, context));
        if (answer.found.use !== 'fresh') due.push(question);
      } else {
        const load = supply.load({ ...question, signal, batch }, answer);
        const keep = (value: unknown) => void values.set(key, value);
        loading.push(load.then(keep).finally(() => batch.pass(key)));
      }
    }
    this.#replace(due, wanted);
    await Promise.all(loading);
  }

  /** Has values replaced in the background, by one call of the loader. */
  #replace(questions: readonly Question[], wanted: Wanted): void {
    if (questions.length === 0) return;
    const batch = this.#batch(questions, wanted);
    for (const question of questions) this.#init.supply.replace({ ...question, signal: undefined, batch });
  }

  /** What the levels have; where that is of use, what is held here past its time is not asked for. */
  async #ask(questions: readonly Question[], { context, lifetime }: Wanted): Promise<readonly Answer[]> {
    const { lookup } = this.#init;
    const uses = usesAtOnce({ context, lifetime });
    if (!uses.includes('stale')) return lookup.sharedAll(questions, context, uses);
    const held = questions.map((question) => lookup.held(question, uses));
    const asked = questions.filter((_, index) => held[index] === undefined);
    const answers = (await lookup.sharedAll(asked, context, uses)).values();
    return held.map((found) =>
      found === undefined ? (answers.next().value as Answer) : { kind: 'found', found },
    );
  }

  #batch(questions: readonly Question[], { load, context }: Wanted): Batch {
    const { kernel, level, rules, loads } = this.#init;
    const keys = questions.map(({ key }) => key);
    return new Batch(keys, {
      clock: kernel.clock,
      level,
      rules,
      load: (missing, ride) => loads.run({ context, load: ({ signal }) => load(missing, { signal }) }, ride),
    });
  }
}
