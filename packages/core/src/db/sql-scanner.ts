/** What the scanner has come to: a word in lower case, a quoted name as it is, one character of punctuation, or a value. */
export type SqlToken = 'word' | 'name' | 'value' | 'mark' | 'end';

const newline = 10;
const doubleQuote = 34;
const dollar = 36;
const quote = 39;
const star = 42;
const minus = 45;
const slash = 47;
const semicolon = 59;
const underscore = 95;
const backslash = 92;

/**
 * Walks over SQL the way Postgres' own scanner does, and skips what is no code: comments, strings, dollar quotes.
 *
 * It knows no grammar. Where Postgres' settings decide what a text means, or the text ends inside something, it is
 * doubtful, and nothing must be concluded from it.
 */
export class SqlScanner {
  readonly #text: string;
  /** Behind it there is nothing but semicolons and white space. */
  readonly #codeEnd: number;
  #at = 0;
  #word = '';
  #isDoubtful = false;

  constructor(text: string) {
    this.#text = text;
    let end = text.length;
    while (end > 0 && (text.charCodeAt(end - 1) === semicolon || text.charCodeAt(end - 1) <= 32)) end -= 1;
    this.#codeEnd = end;
  }

  /** The word, name or mark that {@link SqlScanner.next} has come to. */
  get word(): string {
    return this.#word;
  }

  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** Whether the rest of the text has no further statement, whatever it is. */
  get isLast(): boolean {
    const next = this.#text.indexOf(';', this.#at);
    return next < 0 || next >= this.#codeEnd;
  }

  /** Goes to the end of the text. */
  skip(): void {
    this.#at = this.#text.length;
  }

  next(): SqlToken {
    const text = this.#text;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (Number.isNaN(code)) return 'end';
      const following = text.charCodeAt(this.#at + 1);
      if (code <= 32) this.#at += 1;
      else if (code === minus && following === minus) this.#skipLine();
      else if (code === slash && following === star) this.#skipComment();
      else if (beginsWord(code)) return this.#readWord();
      else if (code === quote) return this.#readString(false);
      else if (code === doubleQuote) return this.#readName();
      else if (code === dollar) return this.#readDollar(following);
      else if (isDigit(code)) return this.#readDigits();
      else return this.#readMark();
    }
  }

  #readMark(): SqlToken {
    this.#word = this.#text.charAt(this.#at++);
    return 'mark';
  }

  #readWord(): SqlToken {
    const text = this.#text;
    const from = this.#at;
    let code: number;
    do code = text.charCodeAt(++this.#at);
    while (beginsWord(code) || isDigit(code) || code === dollar);
    this.#word = text.slice(from, this.#at).toLowerCase();
    // E'…' gives the backslash a meaning; in B'', X'', N'' and U&'' it has none that could hide a quote.
    if (code === quote && this.#word === 'e') return this.#readString(true);
    return 'word';
  }

  #readDigits(): SqlToken {
    do this.#at += 1;
    while (isDigit(this.#text.charCodeAt(this.#at)));
    return 'value';
  }

  #readString(isEscaped: boolean): SqlToken {
    const text = this.#text;
    for (let at = this.#at + 1; ; at++) {
      const code = text.charCodeAt(at);
      if (Number.isNaN(code)) return this.#unfinished();
      if (code === backslash) {
        if (isEscaped) at += 1;
        // With standard_conforming_strings = off, and in the continuation of an E'' string, the string would go on.
        else if (text.charCodeAt(at + 1) === quote) this.#isDoubtful = true;
      } else if (code === quote) {
        if (text.charCodeAt(at + 1) !== quote) {
          this.#at = at + 1;
          return 'value';
        }
        at += 1;
      }
    }
  }

  #readName(): SqlToken {
    const text = this.#text;
    const from = this.#at + 1;
    let end = text.indexOf('"', from);
    while (end >= 0 && text.charCodeAt(end + 1) === doubleQuote) end = text.indexOf('"', end + 2);
    if (end < 0) return this.#unfinished();
    this.#word = text.slice(from, end);
    this.#at = end + 1;
    return 'name';
  }

  /** `$1`, or the text between two `$tag$`. */
  #readDollar(following: number): SqlToken {
    if (isDigit(following)) return this.#readDigits();
    const text = this.#text;
    let at = this.#at + 1;
    while (beginsWord(text.charCodeAt(at)) || (at > this.#at + 1 && isDigit(text.charCodeAt(at)))) at++;
    if (text.charCodeAt(at) !== dollar) return this.#readMark();
    const tag = text.slice(this.#at, at + 1);
    const end = text.indexOf(tag, at + 1);
    if (end < 0) return this.#unfinished();
    this.#at = end + tag.length;
    return 'value';
  }

  #skipLine(): void {
    const text = this.#text;
    do this.#at += 1;
    while (this.#at < text.length && text.charCodeAt(this.#at) !== newline && text[this.#at] !== '\r');
  }

  #skipComment(): void {
    const text = this.#text;
    let depth = 0;
    for (let at = this.#at; ; at++) {
      const code = text.charCodeAt(at);
      if (Number.isNaN(code)) {
        this.#unfinished();
        return;
      }
      const following = text.charCodeAt(at + 1);
      if (code === slash && following === star) depth += 1;
      else if (code === star && following === slash) depth -= 1;
      else continue;
      at += 1;
      if (depth > 0) continue;
      this.#at = at + 1;
      return;
    }
  }

  #unfinished(): SqlToken {
    this.#isDoubtful = true;
    this.#at = this.#text.length;
    return 'end';
  }
}

/** Letters, underscore, and everything beyond ASCII. */
function beginsWord(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === underscore || code >= 128;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}
