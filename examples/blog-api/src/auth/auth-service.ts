import { randomBytes } from 'node:crypto';
import type { Database } from '@pando/core/db';
import { ConflictError, UnauthorizedError } from '../errors.js';
import { hashPassword, verifyPassword } from './password.js';
import type { User } from './user.js';

/** What somebody who registers has to say. */
export interface Registration {
  readonly email: string;
  readonly name: string;
  readonly password: string;
}

/** Knows the accounts. */
export class AuthService {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async register({ email, name, password }: Registration): Promise<User> {
    const { rows } = await this.#db.write<User>(
      `insert into users (email, name, password_hash) values ($1, $2, $3)
       on conflict (email) do nothing
       returning id, email, name, plan`,
      [email, name, await hashPassword(password)],
    );
    const [user] = rows;
    if (user === undefined) throw new ConflictError('There is an account with this e-mail address already.');
    return user;
  }

  /** Takes as long for an account that does not exist as for a wrong password: neither can be told from the other. */
  async signIn(email: string, password: string): Promise<User> {
    const { rows } = await this.#db.read<User & { readonly password_hash: string | null }>(
      'select id, email, name, plan, password_hash from users where email = $1',
      [email],
      { level: 'strong' }, // people register on one device and sign in on the next, which has no token yet
    );
    const [found] = rows;
    const isRight = await verifyPassword(password, found?.password_hash ?? undefined);
    if (found === undefined || !isRight)
      throw new UnauthorizedError('The e-mail address or the password is wrong.');
    return { id: found.id, email: found.email, name: found.name, plan: found.plan };
  }
}

/** The secret that signs sessions: the first instance to ask makes one, and the database keeps it for all. */
export async function sharedJwtSecret(db: Database): Promise<string> {
  await db.write(`insert into secrets (name, value) values ('jwt', $1) on conflict do nothing`, [
    randomBytes(32).toString('base64url'),
  ]);
  const { rows } = await db.read<{ value: string }>(`select value from secrets where name = 'jwt'`, [], {
    level: 'strong',
  });
  return rows[0]?.value as string;
}
