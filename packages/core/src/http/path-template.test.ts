import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePathTemplate } from './path-template.js';

test('a path without parameters matches itself alone', () => {
  const { match } = parsePathTemplate('/ws');
  expect(match('/ws')).toEqual({});
  for (const other of ['/', '/ws/', '/ws/1', '/WS', '/wss', 'ws', '']) expect(match(other)).toBeUndefined();
});

test('parameters take one decoded segment each', () => {
  const { match } = parsePathTemplate('/api/blogs/:id/ws/:room_2');
  expect(match('/api/blogs/42/ws/a%20b')).toEqual({ id: '42', room_2: 'a b' });
  expect(match('/api/blogs/4%2F2/ws/x')).toEqual({ id: '4/2', room_2: 'x' });
});

test('an empty or broken segment is no parameter', () => {
  const { match } = parsePathTemplate('/rooms/:id');
  expect(match('/rooms/')).toBeUndefined();
  expect(match('/rooms/%')).toBeUndefined();
  expect(match('/rooms/%ff')).toBeUndefined();
});

test('a parameter cannot reach the prototype of its record', () => {
  expect(Object.getPrototypeOf(parsePathTemplate('/:id').match('/x'))).toBeNull();
});

test.each(['', 'ws', '/a/:', '/a/:1', '/a/:x-:y', '/a/*', '/a/(b)?', '/:a/:a', '/a?b', '/a#b', '/a b'])(
  'a template like %j is refused at once',
  (template) => {
    expect(() => parsePathTemplate(template)).toThrow(/ws\.path/);
  },
);

test('whatever is put into a template is read back from the path', () => {
  const codePoints = fc.array(fc.integer({ min: 1, max: 0xd7ff }), { minLength: 1 });
  const text = codePoints.map((points) => String.fromCodePoint(...points));
  fc.assert(
    fc.property(text, text, (first, second) => {
      const path = `/x/${encodeURIComponent(first)}/y/${encodeURIComponent(second)}`;
      expect(parsePathTemplate('/x/:first/y/:second').match(path)).toEqual({ first, second });
    }),
  );
});
