import { describe, expect, it } from 'vitest';
import { createDatabase } from './create.js';
import { resolveDatabaseOptions } from './options.js';

const primary = 'postgres://app:hunter2@db1:5432/app';
const refusal = (options: object): string => {
  try {
    createDatabase(options as never);
  } catch (error) {
    return String(error);
  }
  throw new Error('accepted');
};

describe('database options', () => {
  it('have defaults for all but the primary', () => {
    const resolved = resolveDatabaseOptions({ primary });
    expect(resolved).toMatchObject({ replicas: [], replicaWaitMs: 25, pool: { size: 10, overflow: 20 } });
    expect(resolved.primary).toEqual([
      { path: 'db.primary', connectionString: primary, weight: 1, shared: false, lagProbe: 'postgres' },
    ]);
  });

  it('take servers as URLs or as settings', () => {
    const password = async () => 'secret';
    const { replicas } = resolveDatabaseOptions({
      primary,
      replicas: ['postgres://r1/app', { host: 'r2', password, ssl: true, weight: 2 }],
    });
    expect(replicas).toMatchObject([
      { path: 'db.replicas[0]', connectionString: 'postgres://r1/app', weight: 1, shared: false },
      { path: 'db.replicas[1]', host: 'r2', password, ssl: true, weight: 2 },
    ]);
  });

  it('take false where something can be switched off', () => {
    const resolved = resolveDatabaseOptions({
      primary,
      statementTimeoutMs: false,
      pool: { validateIdleMs: false },
    });
    expect(resolved.statementTimeoutMs).toBe(false);
    expect(resolved.pool.validateIdleMs).toBe(false);
  });

  it.each([
    [{}, 'db.primary must be a connection URL'],
    [{ primary: '' }, 'db.primary must be a connection URL'],
    [{ primary, replica: [] }, 'unknown option "replica" in db. Did you mean "replicas"?'],
    [{ primary, replicas: 'postgres://r1/app' }, 'db.replicas must be an array'],
    [{ primary, replicas: [undefined] }, 'db.replicas must be an array'],
    [{ primary, replicas: [{ host: 'r1', weight: 0 }] }, 'db.replicas[0].weight must be a positive number'],
    [{ primary: { host: 'db1', weight: 2 } }, 'unknown option "weight" in db.primary'],
    [{ primary: { host: 'db1', port: '5432' } }, 'db.primary.port must be a'],
    [{ primary, replicas: [{ host: 'r1', zone: 1 }] }, 'db.replicas[0].zone must be a'],
    [
      { primary, replicas: [{ host: 'r1', lagProbe: 'no' }] },
      'db.replicas[0].lagProbe must be "postgres", "none", or',
    ],
    [
      { primary, replicas: [{ host: 'r1', lagProbe: { replayLsn: '' } }] },
      'db.replicas[0].lagProbe.replayLsn must be',
    ],
    [{ primary, replicas: [{ host: 'r1', lagProbe: { lsn: 'now()' } }] }, 'db.replicas[0].lagProbe.'],
    [{ primary, zone: '' }, 'db.zone must be a'],
    [{ primary, replicaWaitMs: '25ms' }, 'db.replicaWaitMs must be a number of milliseconds'],
    [{ primary, pool: { size: 0 } }, 'db.pool.size must be a positive whole number'],
    [{ primary, primaryFunctions: ['f()'] }, 'db.primaryFunctions must be an array of names of functions'],
    [{ primary: 'localhost' }, 'db.primary must be a connection URL such as'],
    [{ primary: 'mysql://u:secret@localhost/app' }, 'what was given cannot be read as one.'],
  ])('refuse %o', (options, message) => {
    expect(refusal(options)).toContain(message);
  });

  it('never quote a password', () => {
    expect(refusal({ primary: { host: 'db1', password: 12_345 } })).not.toContain('12345');
    expect(refusal({ primary: 'postgres://app:hunter2@db1:notaport/app' })).not.toContain('hunter2');
    expect(refusal({ primary: { connectionString: primary, user: 5 } })).not.toContain('hunter2');
  });
});
