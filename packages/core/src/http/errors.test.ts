import { expect, test } from 'vitest';
import { listenError } from './errors.js';

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`listen ${code}`), { code });

test.each([
  [
    'EADDRINUSE',
    'PANDO_HTTP_PORT_IN_USE',
    'Cannot listen: port 3000 is in use. End the process that holds it (lsof -i :3000), or choose another port.',
  ],
  [
    'EACCES',
    'PANDO_HTTP_PORT_FORBIDDEN',
    'Cannot listen: this user may not open port 3000. Choose a port above 1023, or grant CAP_NET_BIND_SERVICE.',
  ],
  [
    'ENOTFOUND',
    'PANDO_HTTP_LISTEN',
    'Cannot listen on port 3000: listen ENOTFOUND. Check the host and port given to listen().',
  ],
])('%s is explained in one line that says what to do', (code, ours, message) => {
  const cause = failure(code);
  expect(listenError(cause, 3000, undefined)).toMatchObject({ code: ours, message, cause });
});

test('the host is named where one was given', () => {
  expect(listenError(failure('EADDRINUSE'), 80, '10.0.0.1').message).toContain('port 80 of 10.0.0.1');
});
