import { expect, it } from 'vitest';
import { connectHint } from './connect-hint.js';

const refusal = (code: string): Error => Object.assign(new Error('no'), { code, severity: 'FATAL' });

it.each([
  ['a wrong password', refusal('28P01'), 'Correct the credentials'],
  [
    'a password that is asked for and not given',
    new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'),
    'Correct the credentials',
  ],
  ['no such database', refusal('3D000'), 'Correct the credentials or the name of the database'],
  [
    'a certificate of nobody known',
    Object.assign(new Error('self-signed'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    '{ ca }',
  ],
  ['a server without TLS', new Error('The server does not support SSL connections'), 'ssl = on'],
  ['a port where nobody listens', new Error('connect ECONNREFUSED'), 'Start Postgres there'],
])('says what to do about %s', (_what, cause, hint) => {
  expect(connectHint(cause)).toContain(hint);
});
