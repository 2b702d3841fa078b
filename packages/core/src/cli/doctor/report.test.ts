import { describe, expect, it } from 'vitest';
import type { Verdict } from './check.js';
import { type Entry, exitCodeOf } from './diagnosis.js';
import { reportJson, reportText, type Screen } from './report.js';

const plain: Screen = { isColoured: false, columns: 80 };

const entry = (verdict: Verdict, check = 'redis.memory'): Entry => ({
  ...{ check, subject: 'Redis db:6379', why: 'It matters.', verdict, found: 'so it is' },
  todo: verdict === 'fine' ? undefined : 'Change it.',
});

describe('a diagnosis', () => {
  it.each([
    [[], 0],
    [['fine', 'note'], 0],
    [['fine', 'unknown'], 2],
    [['unknown', 'problem', 'fine'], 1],
  ] as const)('with %j ends with %d', (verdicts, code) => {
    expect(exitCodeOf({ entries: verdicts.map((verdict) => entry(verdict)) })).toBe(code);
  });

  it('reads thing by thing, with reasons and advice where something is to be done', () => {
    const entries = [entry('fine', 'redis.version'), entry('problem')];
    expect(reportText({ entries }, plain)).toBe(
      [
        'Redis db:6379',
        '  ✓ redis.version  so it is',
        '  ✗ redis.memory   so it is',
        '                   It matters.',
        '                   → Change it.',
        '',
        '2 findings: 1 problem, 0 notes.',
        '',
      ].join('\n'),
    );
    expect(reportText({ entries }, { ...plain, isColoured: true })).toContain(
      '\u001b[31m✗\u001b[0m redis.memory',
    );
  });

  it('keeps to the lines of the screen, and leaves long words whole', () => {
    const words = Array.from({ length: 40 }, (_, at) => `word${at}`).join(' ');
    const host = `${'x'.repeat(90)}:6379`;
    const entries = [{ ...entry('problem'), found: `${words} ${host}`, why: words, todo: words }];
    const lines = reportText({ entries }, plain).split('\n');
    const long = lines.filter((line) => line.length > 80);
    expect(long).toEqual([expect.stringMatching(/^ +x+:6379$/)]);
    expect(lines.filter((line) => line.startsWith(' '.repeat(18)))).not.toHaveLength(0);
    expect(lines.join(' ').replaceAll(/\s+/g, ' ')).toContain(`${words} ${host} ${words} → ${words}`);
  });

  it('is for programs, too', () => {
    expect(JSON.parse(reportJson({ entries: [entry('note')] }))).toEqual({
      verdict: 'fine',
      findings: [entry('note')],
    });
  });
});
