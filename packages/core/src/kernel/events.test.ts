import { describe, expect, it } from 'vitest';
import { Events } from './events.js';

interface Sample {
  readonly said: { readonly text: string };
}

describe('Events', () => {
  it('calls listeners in order until they are disposed', () => {
    const events = new Events<Sample>();
    const heard: string[] = [];
    const first = events.on('said', ({ text }) => heard.push(`1 ${text}`));
    events.on('said', ({ text }) => heard.push(`2 ${text}`));
    events.emit('said', { text: 'a' });
    first[Symbol.dispose]();
    events.emit('said', { text: 'b' });
    expect(heard).toEqual(['1 a', '2 a', '2 b']);
  });

  it('keeps what a listener throws from the emitter and from other listeners', () => {
    const thrown: unknown[] = [];
    const events = new Events<Sample>((cause) => thrown.push(cause));
    const heard: string[] = [];
    events.on('said', () => {
      throw new Error('bad listener');
    });
    events.on('said', ({ text }) => heard.push(text));
    events.emit('said', { text: 'a' });
    expect(heard).toEqual(['a']);
    expect(thrown).toEqual([new Error('bad listener')]);
  });
});
