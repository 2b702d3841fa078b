import { type Diagnosis, type Entry, exitCodeOf } from './diagnosis.js';
import { count } from './words.js';

/** For programs: the verdict of all, and each finding. */
export function reportJson(diagnosis: Diagnosis): string {
  const verdicts = ['fine', 'problem', 'unknown'] as const;
  return `${JSON.stringify({ verdict: verdicts[exitCodeOf(diagnosis)], findings: diagnosis.entries }, null, 2)}\n`;
}

/** How a report is shown. */
export interface Screen {
  readonly isColoured: boolean;
  /** Characters in a line. */
  readonly columns: number;
}

/** For people: what was looked at, thing by thing, with reasons and advice only where something is to be done. */
export function reportText({ entries }: Diagnosis, screen: Screen): string {
  if (entries.length === 0) return `Nothing to look at. ${hint}`;
  const subjects = [...new Set(entries.map(({ subject }) => subject))];
  const parts = subjects.map((subject) => {
    const own = entries.filter((entry) => entry.subject === subject);
    const width = Math.max(...own.map(({ check }) => check.length));
    return `${subject}\n${own.map((entry) => linesOf(entry, width, screen)).join('')}`;
  });
  const isProjectOnly = entries.every(({ check }) => check.startsWith('project.'));
  return `${parts.join('\n')}\n${summaryOf(entries)}\n${isProjectOnly ? hint : ''}`;
}

const hint = 'Name servers, or the app, to have them looked at: pando doctor --help\n';

const marks = { fine: '✓', note: '!', problem: '✗', unknown: '?' } as const;
/** Green, yellow, red, magenta. */
const colours = { fine: 32, note: 33, problem: 31, unknown: 35 } as const;

function linesOf({ verdict, check, found, why, todo }: Entry, width: number, screen: Screen): string {
  const mark = screen.isColoured ? `\u001b[${colours[verdict]}m${marks[verdict]}\u001b[0m` : marks[verdict];
  const indent = ' '.repeat(width + 6);
  const room = Math.max(leastRoom, screen.columns - indent.length);
  const rest = todo === undefined ? [] : [...wrapped(why, room), ...wrapped(todo, room - 2).map(behindArrow)];
  const [first = '', ...more] = [...wrapped(found, room), ...rest];
  return [`  ${mark} ${check.padEnd(width)}  ${first}`, ...more.map((line) => indent + line), ''].join('\n');
}

const behindArrow = (line: string, at: number): string => `${at === 0 ? '→' : ' '} ${line}`;

/** Narrower columns are no help to anybody. */
const leastRoom = 30;

/** In lines of at most that many characters, unless one word is longer. */
function wrapped(text: string, room: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function summaryOf(entries: readonly Entry[]): string {
  const of = (verdict: Entry['verdict']) => entries.filter((entry) => entry.verdict === verdict).length;
  const parts = [count(of('problem'), 'problem'), count(of('note'), 'note')];
  if (of('unknown') > 0) parts.push(`${of('unknown')} could not be looked at`);
  return `${count(entries.length, 'finding')}: ${parts.join(', ')}.`;
}
