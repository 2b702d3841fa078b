import { expect, it } from 'vitest';
import { counterKey } from './key.js';

it('stores short and harmless keys as they are, and others as their hash', () => {
  expect(counterKey('user:ann')).toBe('user:ann');
  expect(counterKey('user:Zoë')).toMatch(/^sha256:[\w-]{43}$/);
  expect(counterKey('x'.repeat(65))).toMatch(/^sha256:[\w-]{43}$/);
  expect(counterKey('sha256:x')).not.toBe('sha256:x');
});

it('never stores an API key itself, alone or beside other parts', () => {
  for (const key of ['apiKey:s3cret', 'tenant:acme,apiKey:s3cret']) {
    expect(counterKey(key)).toMatch(/^sha256:/);
    expect(counterKey(key)).not.toContain('s3cret');
  }
  expect(counterKey('user:apiKey:x')).toBe('user:apiKey:x');
  expect(counterKey('apiKey:a')).not.toBe(counterKey('apiKey:b'));
});
