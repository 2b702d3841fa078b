import { createHash } from 'node:crypto';
import { SqlScanner } from './sql-scanner.js';

/** What a statement is without its values: the same for all calls of one line of code. */
export interface StatementShape {
  /** First word, in capitals: `SELECT`. */
  readonly command: string;
  /** The text on one line, with `?` for everything that may be data. */
  readonly text: string;
  /** Twelve hexadecimal digits of its hash. */
  readonly fingerprint: string;
}

/** Texts whose shape is remembered: at least half as many as this are, the latest. */
const maxTexts = 1_000;
/** Texts are scanned, and shown, up to here; longer ones are one of a kind. */
const maxChars = 2_000;

/** Knows the shapes of statements. */
export class StatementShapes {
  #young = new Map<string, StatementShape>();
  #old = new Map<string, StatementShape>();

  of(text: string): StatementShape {
    const known = this.#young.get(text);
    if (known !== undefined) return known;
    const shape = this.#old.get(text) ?? shapeOf(text);
    if (text.length > maxChars) return shape;
    if (this.#young.size >= maxTexts / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, shape);
    return shape;
  }
}

/**
 * Takes the values out of a text, and whatever else differs between two calls that mean the same: comments, white space,
 * the case of words, the length of lists. What cannot be told from a value is left out, too.
 */
export function shapeOf(sql: string): StatementShape {
  const scanner = new SqlScanner(sql.length > maxChars ? sql.slice(0, maxChars) : sql);
  const parts: string[] = [];
  for (let token = scanner.next(); token !== 'end'; token = scanner.next()) {
    const { word } = scanner;
    if (token === 'value') addValue(parts);
    else if (token === 'name') parts.push(`"${word}"`);
    else parts.push(word);
  }
  if (sql.length > maxChars || scanner.isDoubtful) parts.push('…');
  const text = spaced(parts);
  const fingerprint = createHash('sha256').update(text).digest('hex').slice(0, 12);
  return { command: (parts[0] ?? '').toUpperCase(), text, fingerprint };
}

/** `(?, ?, ?)` is as `(?)`: the number of values is data, too. */
function addValue(parts: string[]): void {
  const last = parts.length - 1;
  if (parts[last] === '?') return; // a number's second half, as in 1.5e3
  if (parts[last] === '.' && parts[last - 1] === '?') parts.pop();
  else if (parts[last] === ',' && parts[last - 1] === '?') parts.pop();
  else parts.push('?');
}

function spaced(parts: readonly string[]): string {
  let text = '';
  let previous = '';
  for (const part of parts) {
    const isTight = text === '' || ',.);:]'.includes(part) || '(.:['.includes(previous);
    const isCall = part === '(' && /^[\w"]/.test(previous) && !keywords.has(previous);
    text += isTight || isCall ? part : ` ${part}`;
    previous = part;
  }
  return text;
}

/** Words that parentheses follow without making a call of them. */
const keywords: ReadonlySet<string> = new Set(
  'in values as and or not on using where from select any all exists over into limit'.split(' '),
);
