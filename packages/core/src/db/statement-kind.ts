import type { StatementKind } from './ports.js';
import { SqlScanner } from './sql-scanner.js';

/** Says whether a function changes something, so that a replica must not run it. */
export type FunctionTest = (name: string) => boolean;

/** Statements that a replica may run, if nothing in them says otherwise. */
const readers: ReadonlySet<string> = new Set(['select', 'values', 'table', 'with', 'show', 'explain']);

/** Words that do not occur in a statement that only reads; `analyze` and the rest behind EXPLAIN alone. */
const writers: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'merge', 'into']);
const notExplained: ReadonlySet<string> = new Set([
  'analyze',
  'analyse',
  'execute',
  'create',
  'declare',
  'refresh',
]);

/** What may follow FOR where rows are locked. */
const locks: ReadonlySet<string> = new Set(['no', 'share', 'key']);

/** Statements that leave something behind in the session, or need what one has left. */
const sessionStatements: ReadonlySet<string> = new Set([
  ...['listen', 'unlisten', 'prepare', 'execute', 'deallocate', 'declare', 'fetch', 'move', 'close', 'copy'],
  ...['discard', 'load', 'reset'],
]);

/** Functions that do so, by the beginning of their names. */
const sessionFunction = /^(pg_(try_)?advisory_(?!xact)|setseed$)/;

/**
 * Tells what kind of statement a text is, as far as words can tell.
 *
 * Errs to one side only: what it calls a read may still be refused by a replica, because a function's name does not
 * say that it writes; what is left out here goes to the primary.
 */
export function statementKind(text: string, isDenied: FunctionTest): StatementKind {
  const scanner = new SqlScanner(text);
  const kinds: StatementKind[] = [];
  for (let kind = nextKind(scanner, isDenied); kind !== undefined; kind = nextKind(scanner, isDenied)) {
    kinds.push(kind);
  }
  const [only] = kinds;
  if (scanner.isDoubtful || only === undefined) return 'write';
  if (kinds.length === 1) return only;
  // Several at once are for the primary; with control of transactions or of the session among them, its state is open.
  return kinds.every((kind) => kind === 'read' || kind === 'write') ? 'write' : 'session';
}

/** The kind of the statement that comes next, to its end; undefined: there is none. */
function nextKind(scanner: SqlScanner, isDenied: FunctionTest): StatementKind | undefined {
  let token = scanner.next();
  while (token === 'mark' && (scanner.word === ';' || scanner.word === '(')) token = scanner.next();
  if (token === 'end') return undefined;
  if (token !== 'word') return restOf(scanner, 'write');
  const first = scanner.word;
  if (readers.has(first)) return queryKind(scanner, first, isDenied);
  if (sessionStatements.has(first)) return restOf(scanner, 'session');
  switch (first) {
    case 'begin':
      return restOf(scanner, 'begin');
    case 'start':
      return restOf(scanner, scanner.next() === 'word' && scanner.word === 'transaction' ? 'begin' : 'write');
    case 'commit':
    case 'end':
      return endKind(scanner, 'commit');
    case 'rollback':
    case 'abort':
      return endKind(scanner, 'rollback');
    case 'set':
      return restOf(scanner, settingKind(scanner));
    case 'create':
      return restOf(scanner, creationKind(scanner));
    default:
      return restOf(scanner, 'write');
  }
}

/** Goes on to the end of the statement. */
function restOf(scanner: SqlScanner, kind: StatementKind): StatementKind {
  if (scanner.isLast) {
    scanner.skip();
    return kind;
  }
  for (let token = scanner.next(); token !== 'end'; token = scanner.next()) {
    if (token === 'mark' && scanner.word === ';') break;
  }
  return kind;
}

/** `commit`, unless it ends something else, or nothing: `commit prepared`, `rollback to a`, `commit and chain`. */
function endKind(scanner: SqlScanner, kind: 'commit' | 'rollback'): StatementKind {
  let found: StatementKind = kind;
  let isChained = false;
  for (let token = scanner.next(); token !== 'end'; token = scanner.next()) {
    if (token === 'mark' && scanner.word === ';') break;
    if (token !== 'word') continue;
    if (scanner.word === 'to' || scanner.word === 'prepared') found = 'write';
    else if (scanner.word === 'chain') isChained = true;
    else if (scanner.word === 'no') return restOf(scanner, found);
  }
  return isChained ? 'session' : found;
}

/** What is set for the transaction ends with it. */
function settingKind(scanner: SqlScanner): StatementKind {
  const isLocal = scanner.next() === 'word' && ['local', 'transaction', 'constraints'].includes(scanner.word);
  return isLocal ? 'write' : 'session';
}

function creationKind(scanner: SqlScanner): StatementKind {
  let token = scanner.next();
  while (token === 'word' && ['local', 'global', 'or', 'replace'].includes(scanner.word))
    token = scanner.next();
  return token === 'word' && (scanner.word === 'temp' || scanner.word === 'temporary') ? 'session' : 'write';
}

/** A statement that begins like a read, up to its end. */
function queryKind(scanner: SqlScanner, first: string, isDenied: FunctionTest): StatementKind {
  let kind: StatementKind = 'read';
  let previous = first;
  let name = ''; // the last word or name, if nothing has followed it yet
  let depth = 0;
  let setting: number | undefined; // the depth inside `set_config(…)`, while that is open
  for (let token = scanner.next(); token !== 'end'; token = scanner.next()) {
    const { word } = scanner;
    if (token === 'mark') {
      if (word === ';') break;
      if (word === '(') {
        depth += 1;
        if (name === 'set_config') setting ??= depth;
        if (name !== '' && sessionFunction.test(name)) kind = 'session';
        else if (name !== '' && kind === 'read' && isDenied(name)) kind = 'write';
      } else if (word === ')') {
        // Set for the transaction, said as a literal: it ends with it.
        if (setting === depth) {
          if (name !== 'true') kind = 'session';
          setting = undefined;
        }
        depth -= 1;
      }
      name = '';
      continue;
    }
    if (token === 'word') {
      if (previous === 'into' && (word === 'temp' || word === 'temporary')) kind = 'session';
      else if (kind === 'read' && changes(word, previous, first)) kind = 'write';
    }
    name = token === 'value' ? '' : word;
    previous = token === 'word' ? word : '';
  }
  return kind;
}

function changes(word: string, previous: string, first: string): boolean {
  if (writers.has(word)) return true;
  if (previous === 'for' && locks.has(word)) return true;
  return first === 'explain' && notExplained.has(word);
}
