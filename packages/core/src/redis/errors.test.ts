import { describe, expect, it } from 'vitest';
import { commandError, isDemotion, isRefusal, RedisReplyError, RedisUnavailableError } from './errors.js';

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

describe('commandError', () => {
  it.each([
    ['WRONGTYPE Operation against a key', 'WRONGTYPE', false],
    ['NOSCRIPT No matching script', 'NOSCRIPT', false],
    ['ERR unknown command', 'ERR', false],
    ['BUSYGROUP Consumer Group name already exists', 'BUSYGROUP', false],
    ['OOM command not allowed', 'OOM', true],
    ['PANDO_STALE said a script', 'PANDO_STALE', false],
    ['ERR Error running script (call to f_9): @user_script:2: -OOM command not allowed', 'OOM', true],
  ])('gives the reply "%s" its kind', (message, kind, retryable) => {
    const error = commandError('Redis', 'EVALSHA', reply(message));
    expect(error).toBeInstanceOf(RedisReplyError);
    expect(error).toMatchObject({ kind, retryable, code: 'PANDO_REDIS_REPLY' });
  });

  it.each([
    'LOADING Redis is loading the dataset in memory',
    'MASTERDOWN Link with MASTER is down',
    'CLUSTERDOWN The cluster is down',
    'BUSY Redis is busy running a script',
    "READONLY You can't write against a read only replica.",
    "ERR Error running script (call to f_9): @user_script:2: -READONLY You can't write against a read only replica.",
  ])('counts the reply "%s" as Redis being away, and the command as not done', (message) => {
    const error = commandError('Redis at a:1', 'SET', reply(message));
    expect(error).toBeInstanceOf(RedisUnavailableError);
    expect(error).toMatchObject({ sent: false, retryable: true, status: 503 });
  });

  it('counts a lost connection as ambiguous, a refused write as not done', () => {
    expect(commandError('Redis', 'SET', new Error('Connection is closed.'))).toMatchObject({ sent: true });
    const unwritten = new Error("Stream isn't writeable and enableOfflineQueue options is false");
    expect(commandError('Redis', 'SET', unwritten)).toMatchObject({
      sent: false,
      message:
        'The connection to Redis ended before SET was answered (the connection was closed). It is being re-made; try again later.',
    });
  });
});

describe('isDemotion', () => {
  it('knows a former master, also through a script', () => {
    expect(isDemotion(reply('READONLY You cannot write'))).toBe(true);
    expect(isDemotion(reply('ERR Error running script (x): @y:1: -READONLY You cannot write'))).toBe(true);
    expect(isDemotion(reply('ERR no such key'))).toBe(false);
    expect(isDemotion(new Error('READONLY'))).toBe(false);
  });
});

describe('isRefusal', () => {
  it.each([
    reply('WRONGPASS invalid username-password pair'),
    reply('NOAUTH Authentication required.'),
    reply("NOPERM this user has no permissions to run the 'eval' command"),
    reply('ERR DB index is out of range'),
    Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    Object.assign(new Error('altnames'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }),
    Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError: reply('WRONGPASS no') }),
  ])('says that no retry helps: %s', (cause) => {
    expect(isRefusal(cause)).toBe(true);
  });

  it.each([
    reply('LOADING Redis is loading'),
    reply('ERR max number of clients reached'),
    Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
    undefined,
  ])('leaves hope: %s', (cause) => {
    expect(isRefusal(cause)).toBe(false);
  });
});
