import { type Diagnosis, type Entry, exitCodeOf } from './diagnosis.js';
import { count } from './words.js';

/** For programs: the verdict of all, and each finding. */
export function reportJson(diagnosis: Diagnosis): string {
  const verdicts = ['fine', 'problem', 'unknown'] as const;
  return `${JSON.stringify({ verdict: verdicts[exitCodeOf(diagnosis)], findings: diagnosis.entries }, null, 2)}\n`;
}

/** For people: what was looked at, thing by thing, with reasons and advice only where something is to be done. */
export function reportText({ entries }: Diagnosis, isColoured: boolean): string {
  if (entries.length === 0) return `Nothing to look at. ${hint}`;
  const subjects = [...new Set(entries.map(({ subject }) => subject))];
  const parts = subjects.map((subject) => {
    const own = entries.filter((entry) => entry.subject === subject);
    const width = Math.max(...own.map(({ check }) => check.length));
    return `${subject}\n${own.map((entry) => lineOf(entry, width, isColoured)).join('')}`;
  });
  const isProjectOnly = entries.every(({ check }) => check.startsWith('project.'));
  return `${parts.join('\n')}\n${summaryOf(entries)}\n${isProjectOnly ? hint : ''}`;
}

const hint = 'Name servers, or the app, to have them looked at: pando doctor --help\n';

const marks = { fine: '✓', note: '!', problem: '✗', unknown: '?' } as const;
/** Green, yellow, red, magenta. */
const colours = { fine: 32, note: 33, problem: 31, unknown: 35 } as const;

function lineOf({ verdict, check, found, why, todo }: Entry, width: number, isColoured: boolean): string {
  const mark = isColoured ? `\u001b[${colours[verdict]}m${marks[verdict]}\u001b[0m` : marks[verdict];
  const line = `  ${mark} ${check.padEnd(width)}  ${found}\n`;
  if (todo === undefined) return line;
  const indent = ' '.repeat(width + 6);
  return `${line}${indent}${why}\n${indent}→ ${todo}\n`;
}

function summaryOf(entries: readonly Entry[]): string {
  const of = (verdict: Entry['verdict']) => entries.filter((entry) => entry.verdict === verdict).length;
  const parts = [count(of('problem'), 'problem'), count(of('note'), 'note')];
  if (of('unknown') > 0) parts.push(`${of('unknown')} could not be looked at`);
  return `${count(entries.length, 'finding')}: ${parts.join(', ')}.`;
}
