import { messageOf } from '../kernel/errors.js';
import { isLastingRefusal, sqlStateOf } from './sql-state.js';

/** What to do about a server that nobody can connect to, by what it or the network said. */
export function connectHint(cause: unknown): string {
  if (isLastingRefusal(sqlStateOf(cause)) || lacksPassword(cause)) {
    return 'Correct the credentials or the name of the database in db.primary.';
  }
  if (isDistrusted(cause)) {
    return 'Give db.primary.ssl the authority that signed its certificate, as { ca }, and connect by a name that the certificate has.';
  }
  if (/does not support SSL/i.test(messageOf(cause))) {
    return 'Switch TLS on in Postgres (ssl = on), or leave db.primary.ssl out.';
  }
  return 'Start Postgres there, or correct db.primary.';
}

/** Whether TLS itself refused the server, by the codes of Node: self-signed, of an unknown authority, expired, or of another name. */
function isDistrusted(cause: unknown): boolean {
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' && /CERT|LEAF_SIGNATURE/.test(code);
}

/** The server asks for a password, and there is none: `pg` says so itself, without a code. */
function lacksPassword(cause: unknown): boolean {
  return /client password must be a/.test(messageOf(cause));
}
