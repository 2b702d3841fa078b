import { describe, expect, it } from 'vitest';
import { readChatInput } from './chat-message.js';

describe('a chat message', () => {
  it.each([
    ['hello', 'hello'],
    ['  hello\n', 'hello'],
    ['{"text":" hello "}', 'hello'],
    ['"hello"', '"hello"'],
    ['42', '42'],
    ['{ not json', '{ not json'],
  ])('%j says %j', (data, text) => {
    expect(readChatInput(data)).toEqual({ text });
  });

  it.each(['', ' \n', '{}', '{"text":7}', '{"text":""}'])('%j says nothing', (data) => {
    expect(readChatInput(data)).toEqual({ complaint: 'Say something.' });
  });

  it('has an end', () => {
    expect(readChatInput('x'.repeat(2_000))).toEqual({ text: 'x'.repeat(2_000) });
    expect(readChatInput('x'.repeat(2_001))).toHaveProperty('complaint');
  });
});
