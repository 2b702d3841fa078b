import { expect, test } from 'vitest';
import { originAllowed } from './origin.js';

test('a client without an origin is no browser and may connect', () => {
  expect(originAllowed(undefined, 'app.example.com')).toBe(true);
});

test.each([
  ['https://app.example.com', 'app.example.com'],
  ['https://app.example.com', 'app.example.com:443'],
  ['http://app.example.com', 'app.example.com:80'],
  ['https://APP.example.com', 'app.example.com'],
  ['http://localhost:3000', 'localhost:3000'],
  ['http://[::1]:3000', '[::1]:3000'],
])('a page of %s may connect to %s', (origin, host) => {
  expect(originAllowed(origin, host)).toBe(true);
});

test.each([
  ['https://evil.example', 'app.example.com'],
  ['https://app.example.com.evil.example', 'app.example.com'],
  ['https://app.example.com@evil.example', 'app.example.com'],
  ['https://app.example.com:8443', 'app.example.com'],
  ['null', 'app.example.com'],
  ['', 'app.example.com'],
  ['https://app.example.com', undefined],
])('a page of %s may not connect to %s', (origin, host) => {
  expect(originAllowed(origin, host)).toBe(false);
});

test('a list names the origins letter by letter, scheme included', () => {
  const allowed = ['https://app.example.com'];
  expect(originAllowed('https://app.example.com', 'api.example.com', allowed)).toBe(true);
  expect(originAllowed('http://app.example.com', 'api.example.com', allowed)).toBe(false);
  expect(originAllowed('https://api.example.com', 'api.example.com', allowed)).toBe(false);
});

test('the application may decide by itself, or let everyone in', () => {
  const ours = (origin: string) => origin.endsWith('.example.com');
  expect(originAllowed('https://any.example.com', 'x', ours)).toBe(true);
  expect(originAllowed('https://evil.example', 'x', ours)).toBe(false);
  expect(originAllowed('https://evil.example', 'x', '*')).toBe(true);
});
