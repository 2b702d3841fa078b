import { describe, expect, it } from 'vitest';
import { hashPassword, verifyPassword } from './password.js';

describe('a password', () => {
  it('is recognised by its hash, and no other is', async () => {
    const hash = await hashPassword('correct horse');
    expect(await verifyPassword('correct horse', hash)).toBe(true);
    expect(await verifyPassword('Correct horse', hash)).toBe(false);
  });

  it('is not in its hash, which differs each time', async () => {
    const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
    expect(one).toMatch(/^scrypt\$32768\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
    expect(one).not.toBe(two);
  });

  it('may be typed on any keyboard', async () => {
    expect(await verifyPassword('e\u0301toile filante', await hashPassword('\u00e9toile filante'))).toBe(
      true,
    );
  });

  it.each([undefined, '', 'plain', 'scrypt$32768$8$1$AAAA'])(
    'fits no account whose hash is %j',
    async (hash) => {
      expect(await verifyPassword('correct horse', hash)).toBe(false);
    },
  );
});
