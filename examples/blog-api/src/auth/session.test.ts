import { SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { Sessions } from './session.js';

const ada = { id: 7, email: 'ada@example.com', name: 'Ada', plan: 'premium' } as const;
const secret = 'a secret of the test, long enough';
const sessions = new Sessions(secret);

describe('a session', () => {
  it('comes back from its token in the header or in the cookie', async () => {
    const token = await sessions.issue(ada);
    expect(await sessions.userOf({ authorization: `Bearer ${token}` })).toEqual(ada);
    expect(await sessions.userOf({ cookie: `theme=dark; session=${token}; x=1` })).toEqual(ada);
    expect(await sessions.userOf({ cookie: sessions.cookie(token, false).split(';', 1)[0] })).toEqual(ada);
  });

  it('is known to every instance that has the secret, and to no other', async () => {
    const headers = { authorization: `Bearer ${await sessions.issue(ada)}` };
    expect(await new Sessions(secret).userOf(headers)).toEqual(ada);
    expect(await new Sessions('another secret, just as long as it').userOf(headers)).toBeUndefined();
  });

  it('ends', async () => {
    const key = new TextEncoder().encode(secret);
    const past = Math.floor(Date.now() / 1000) - 1;
    const jwt = new SignJWT({ email: ada.email, name: ada.name }).setIssuer('blog-api').setSubject('7');
    const token = await jwt.setProtectedHeader({ alg: 'HS256' }).setExpirationTime(past).sign(key);
    expect(await sessions.userOf({ authorization: `Bearer ${token}` })).toBeUndefined();
  });

  it('is not to be had by a token that says it needs no signature', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = `${part({ alg: 'none' })}.${part({ sub: '7', iss: 'blog-api' })}.`;
    expect(await sessions.userOf({ authorization: `Bearer ${token}` })).toBeUndefined();
  });

  it.each([
    {},
    { authorization: 'Basic YTpi' },
    { authorization: 'Bearer not.a.token' },
    { cookie: 'mysession=abc' },
    { cookie: 'session=' },
  ])('is nobody with %j', async (headers) => {
    expect(await sessions.userOf(headers)).toBeUndefined();
  });

  it('lives in a cookie that scripts cannot read and other sites do not send', () => {
    expect(sessions.cookie('abc', false)).toBe('session=abc; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax');
    expect(sessions.cookie('abc', true)).toMatch(/; Secure$/);
    expect(sessions.noCookie(false)).toMatch(/^session=; Path=\/; Max-Age=0;/);
  });
});
