import { PandoOptionsError } from '../kernel/errors.js';

/** Makes a statement's text of a template, once for each place in the code: whoever meets it again knows it. */
export class SqlTemplates {
  readonly #texts = new WeakMap<TemplateStringsArray, string>();

  textOf(strings: TemplateStringsArray): string {
    const known = this.#texts.get(strings);
    if (known !== undefined) return known;
    if (!Array.isArray(strings) || !Array.isArray(strings.raw)) {
      // Called with a text, its values would be part of it: the injection that the tag is there to prevent.
      throw new PandoOptionsError({
        code: 'PANDO_DB_OPTIONS',
        message:
          'db.sql is a template tag: write db.sql`…` without parentheses. For a text there is db.query.',
      });
    }
    const text = strings.reduce((head, tail, index) => `${head}$${index}${tail}`);
    this.#texts.set(strings, text);
    return text;
  }
}
