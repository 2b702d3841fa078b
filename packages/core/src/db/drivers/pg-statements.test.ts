import { describe, expect, it } from 'vitest';
import { beginText, greetingText, lsnOf, reportOf, reportText } from './pg-statements.js';

const segmentBytes = 16_777_216n;
const row = { flushed: '0/1000', inserted: '0/4018', mode: 'on' };

describe('the position behind a commit', () => {
  it('is the flush position where commits are flushed before they are acknowledged', () => {
    expect(lsnOf(row, segmentBytes)).toBe(0x1000n);
    expect(lsnOf({ ...row, mode: 'local' }, segmentBytes)).toBe(0x1000n);
  });

  it('is the insert position, before an empty page header, where they are not', () => {
    expect(lsnOf({ ...row, mode: 'off' }, segmentBytes)).toBe(0x4000n);
  });

  it('goes by the setting at the commit, which may be gone behind it', () => {
    expect(lsnOf(row, segmentBytes, 'off')).toBe(0x4000n);
  });
});

describe('statements', () => {
  it('begin a transaction as asked', () => {
    expect(beginText({})).toBe('begin');
    expect(beginText({ isolation: 'repeatable read', readOnly: true })).toBe(
      'begin isolation level repeatable read read only',
    );
  });

  it('leave the time-out of the server alone when told so', () => {
    expect(greetingText(false, 'postgres')).not.toContain('statement_timeout');
    expect(greetingText(500, 'postgres')).toContain(`set_config('statement_timeout', '500', false)`);
  });

  it('ask a server for no replay position that has none', () => {
    expect(reportText('postgres')).toContain('pg_last_wal_replay_lsn');
    for (const text of [reportText('none'), greetingText(500, 'none')])
      expect(text).not.toContain('replay_lsn');
  });

  it('read a standby that has not begun to replay as at the very beginning', () => {
    const report = reportOf({ recovering: true, system: 's', node: 'n', timeline: 1, lsn: null });
    expect(report).toEqual({ role: 'replica', system: 's', node: 'n', timeline: 1, lsn: 0n });
  });
});
