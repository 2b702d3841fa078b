import type { IncomingHttpHeaders } from 'node:http';
import { errors, jwtVerify, SignJWT } from 'jose';
import { plans, type User } from './user.js';

const issuer = 'blog-api';
const lifeSeconds = 7 * 24 * 60 * 60;
const cookieName = 'session';

/**
 * Signed tokens that say who somebody is: no instance has to remember anybody.
 *
 * They come as `Authorization: Bearer` or as a cookie, because EventSource and WebSocket of browsers can send no header.
 * The cookie is out of reach of scripts, and not sent along with requests that other sites make.
 */
export class Sessions {
  readonly #key: Uint8Array;

  constructor(secret: string) {
    this.#key = new TextEncoder().encode(secret);
  }

  issue(user: User): Promise<string> {
    return new SignJWT({ email: user.email, name: user.name, plan: user.plan })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(issuer)
      .setSubject(String(user.id))
      .setIssuedAt()
      .setExpirationTime(`${lifeSeconds}s`)
      .sign(this.#key);
  }

  /** Who sends these headers; `undefined` without a token that is ours and still good. */
  async userOf(headers: IncomingHttpHeaders): Promise<User | undefined> {
    const token = bearerOf(headers.authorization) ?? cookieOf(headers.cookie);
    if (token === undefined) return undefined;
    try {
      const { payload } = await jwtVerify(token, this.#key, { issuer, algorithms: ['HS256'] });
      const plan = plans.find((each) => each === payload.plan) ?? plans[0]; // older sessions have none
      return { id: Number(payload.sub), email: String(payload.email), name: String(payload.name), plan };
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  /** The value of `Set-Cookie` that keeps the token in a browser. */
  cookie(token: string, secure: boolean): string {
    return setCookie(token, lifeSeconds, secure);
  }

  /** The value of `Set-Cookie` that makes a browser forget it. */
  noCookie(secure: boolean): string {
    return setCookie('', 0, secure);
  }
}

function setCookie(value: string, maxAgeSeconds: number, secure: boolean): string {
  return `${cookieName}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
}

function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer +([\w.-]+)$/i.exec(header ?? '')?.[1];
}

function cookieOf(header: string | undefined): string | undefined {
  return new RegExp(`(?:^|; *)${cookieName}=([\\w.-]+)`).exec(header ?? '')?.[1];
}
