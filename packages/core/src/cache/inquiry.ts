import type { LoadStart, SharedLevel } from './ports.js';

/** Tags in one question: the shared level answers each as a whole, and does nothing else meanwhile. */
const MAX_TAGS = 1_000;

/**
 * Asks the shared level once about the tags of everything that is begun in one turn of the event loop.
 *
 * Each asker is told what all of them need to know: about more tags than its own, never about less.
 */
export class Inquiry {
  readonly #level: SharedLevel;
  #question: Question | undefined;

  constructor(level: SharedLevel) {
    this.#level = level;
  }

  ask(tags: readonly string[]): Promise<LoadStart> {
    this.#question ??= new Question((question) => this.#send(question));
    const { tags: asked, answer } = this.#question;
    for (const tag of tags) asked.add(tag);
    if (asked.size >= MAX_TAGS) this.#question = undefined; // it is sent at the end of the turn; the next ask another
    return answer;
  }

  #send(question: Question): Promise<LoadStart> {
    if (this.#question === question) this.#question = undefined;
    return this.#level.begin([...question.tags]);
  }
}

class Question {
  readonly tags = new Set<string>();
  readonly answer: Promise<LoadStart>;

  constructor(send: (question: Question) => Promise<LoadStart>) {
    this.answer = Promise.resolve().then(() => send(this));
  }
}
