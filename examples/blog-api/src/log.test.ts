import { describe, expect, it } from 'vitest';
import { createLogger, HeldLines } from './log.js';

describe('the log', () => {
  it('has a line for each event of its level and above: when, how bad, what, and the fields', () => {
    const lines: string[] = [];
    const logger = createLogger('warn', (line) => lines.push(line));
    logger.info({}, 'nothing special');
    logger.warn({ n: 1, who: 'redis', deep: { a: [] }, gone: undefined }, 'it lags');
    logger.error({ err: Object.assign(new Error('no'), { stack: 'Error: no\n    at x' }) }, 'it broke');
    expect(lines).toEqual([
      expect.stringMatching(
        /^\d{4}-\d\d-\d\dT[\d:.]+Z WARN it lags n=1 who=redis deep=\{"a":\[\]\} gone=undefined$/,
      ),
      expect.stringMatching(/^\S+ ERROR it broke err=Error: no\n {4}at x$/),
    ]);
  });

  it('is empty when it is silent', () => {
    const lines: string[] = [];
    createLogger('silent', (line) => lines.push(line)).error({}, 'anything');
    expect(lines).toEqual([]);
  });

  it('is held back while the app starts, and then comes in order', () => {
    const lines: string[] = [];
    const held = new HeldLines((line) => lines.push(line));
    held.write('one');
    held.write('two');
    expect(lines).toEqual([]);
    held.release();
    held.write('three');
    held.release();
    expect(lines).toEqual(['one', 'two', 'three']);
  });
});
