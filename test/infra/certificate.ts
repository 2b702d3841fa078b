import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface Certificate {
  /** PEM of the authority; what a client is told to trust. */
  readonly ca: string;
}

/** Makes an authority and a certificate for 127.0.0.1 and localhost: `ca.crt`, `server.crt` and `server.key` in the folder. */
export async function createCertificate(folder: string): Promise<Certificate> {
  const openssl = (...args: string[]) => execute('openssl', args, { cwd: folder });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await writeFile(join(folder, 'server.ext'), 'subjectAltName = IP:127.0.0.1, DNS:localhost\n');
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=Test authority',
    '-days',
    '2',
  );
  await openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
  const signed = [
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-extfile',
    'server.ext',
    '-days',
    '2',
  ];
  await openssl('x509', '-req', '-in', 'server.csr', '-out', 'server.crt', ...signed);
  return { ca: await readFile(join(folder, 'ca.crt'), 'utf8') };
}
