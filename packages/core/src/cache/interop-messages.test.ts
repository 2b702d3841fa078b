import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { interopDefaults, parseMessage } from './interop-messages.js';
import { resolveCacheOptions } from './options.js';

const { tagsOf, messageOf } = interopDefaults;

describe('a message of another service', () => {
  it.each([
    [{ resource_type: 'post', resource_id: 7 }, ['post:7']],
    [{ resource_type: 'user_profile', resource_id: 'ann', at: 1 }, ['user_profile:ann']],
    [{ resource_type: 'post', resource_id: 0 }, ['post:0']],
    [{ resource_type: 'post' }, []],
    [{ resource_type: '', resource_id: 7 }, []],
    [{ resource_type: 'post', resource_id: '' }, []],
    [{ resource_type: 'post', resource_id: 1e21 }, []],
    [{ resource_type: 'post', resource_id: { $ne: 1 } }, []],
    [[], []],
  ])('%j means the tags %j', (message, tags) => {
    expect(tagsOf(message)).toEqual(tags);
  });

  it('is a JSON object of a reasonable size', () => {
    expect(parseMessage(Buffer.from('{"a":1}'))).toEqual({ a: 1 });
    for (const text of ['', '{', '7', 'null', '"post:7"', `{"a":"${'x'.repeat(70_000)}"}`]) {
      expect(parseMessage(Buffer.from(text))).toBeUndefined();
    }
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseMessage(Buffer.from(bytes))));
  });

  it('is what ours is to it', () => {
    const tags = fc.tuple(fc.stringMatching(/^[\w.-]+$/), fc.string({ minLength: 1 }));
    fc.assert(
      fc.property(tags, ([type, id]) => {
        const message = messageOf(`${type}:${id}`);
        expect(message).toEqual({ resource_type: type, resource_id: id });
        expect(tagsOf(message)).toEqual([`${type}:${id}`]);
      }),
    );
  });

  it('is not made of tags that name no resource', () => {
    for (const tag of ['posts', 'post:', ':7', 'GET /posts:7']) expect(messageOf(tag)).toBeUndefined();
  });
});

describe('the option', () => {
  it('is off unless it is there', () => {
    expect(resolveCacheOptions({}).interop).toBeUndefined();
    expect(resolveCacheOptions({ interop: false }).interop).toBeUndefined();
    expect(resolveCacheOptions({ interop: {} }).interop).toEqual(interopDefaults);
    expect(resolveCacheOptions({ interop: { send: false } }).interop).toMatchObject({ send: false });
  });

  it('says what it does not understand', () => {
    expect(() => resolveCacheOptions({ interop: true as never })).toThrow(
      'cache.interop must be an object, or false',
    );
    expect(() => resolveCacheOptions({ interop: { chanel: 'x' } as never })).toThrow(
      'Did you mean "channel"?',
    );
  });
});
