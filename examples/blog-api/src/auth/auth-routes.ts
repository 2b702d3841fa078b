import { UnauthorizedError } from '../errors.js';
import { InputReader } from '../http/input.js';
import { type Answer, type ApiRequest, mount, type Route } from '../http/route.js';
import type { AuthService } from './auth-service.js';
import type { Gate } from './gate.js';
import type { Sessions } from './session.js';
import type { User } from './user.js';

/** Registering, signing in and out, and who one is. */
export function authRoutes(accounts: AuthService, sessions: Sessions, gate: Gate): Route[] {
  const signedIn = async (status: number, user: User, { secure }: ApiRequest<unknown>): Promise<Answer> => {
    const token = await sessions.issue(user);
    return {
      status,
      headers: { 'set-cookie': sessions.cookie(token, secure) },
      body: { ...user, access_token: token, token_type: 'bearer', token },
    };
  };

  return mount(
    ['/api/v1/auth', '/api/auth'],
    [
      {
        method: 'post',
        path: '/register',
        limit: 'signIn',
        async handle(request) {
          const input = new InputReader(request.body);
          const email = input.email('email');
          const password = input.text('password', { min: 8, max: 200, verbatim: true });
          const name = input.has('name')
            ? input.text('name', { max: 60 })
            : (email.split('@')[0] ?? '').slice(0, 60);
          input.done();
          const attempt = { account: email, address: request.address };
          const user = await gate.pass('register', attempt, () =>
            accounts.register({ email, name, password }),
          );
          return signedIn(201, user, request);
        },
      },
      {
        method: 'post',
        path: '/login',
        limit: 'signIn',
        async handle(request) {
          const input = new InputReader(request.body);
          const email = input.text('email', { max: 254 }).toLowerCase();
          const password = input.text('password', { max: 200, verbatim: true });
          input.done();
          const attempt = { account: email, address: request.address };
          const user = await gate.pass('login', attempt, () => accounts.signIn(email, password));
          return signedIn(200, user, request);
        },
      },
      {
        method: 'post',
        path: '/logout',
        handle: ({ secure }) => ({ status: 204, headers: { 'set-cookie': sessions.noCookie(secure) } }),
      },
      {
        method: 'get',
        path: '/me',
        auth: 'optional',
        handle({ user }) {
          if (user === undefined) throw new UnauthorizedError('Nobody is signed in.');
          return { status: 200, body: user };
        },
      },
    ],
  );
}
