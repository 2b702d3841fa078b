import { describe, expect, it } from 'vitest';
import type { Verdict } from './check.js';
import { type Entry, exitCodeOf } from './diagnosis.js';
import { reportJson, reportText } from './report.js';

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
    expect(reportText({ entries }, false)).toBe(
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
    expect(reportText({ entries }, true)).toContain('\u001b[31m✗\u001b[0m redis.memory');
  });

  it('is for programs, too', () => {
    expect(JSON.parse(reportJson({ entries: [entry('note')] }))).toEqual({
      verdict: 'fine',
      findings: [entry('note')],
    });
  });
});
