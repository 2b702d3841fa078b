import { isPandoError } from '@pando/core';
import { PoolOverloadedError } from '@pando/core/db';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { errorClasses, errorsOf, roomOf } from './reference/errors.js';
import { optionCodes } from './reference/option-codes.js';
import { entryPoints, PublicProgram } from './reference/program.js';
import { mentionedErrors, plainThrows } from './reference/throws.js';
import { rooms } from './workspace.js';

const program = new PublicProgram();
const errors = errorsOf(program);

/** Codes that belong to the kit as a whole, and so name no room. */
const kitCodes = ['PANDO_CLOSED', 'PANDO_SECRET_UNAVAILABLE'];
/** What begins like a code and is the name of a variable of the environment. */
const variables = ['PANDO_TEST_SEED', 'PANDO_TEST_SIZE'];

describe('codes', () => {
  it('name a room and what happened there, and no two classes have the same', () => {
    expect(errors.length).toBeGreaterThan(40);
    const codes = errors.map(({ code }) => code);
    expect(codes.filter((code) => !/^PANDO_[A-Z]+(_[A-Z]+)*$/.test(code))).toEqual([]);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
    expect(codes.filter((code) => roomOf(code) === undefined).sort()).toEqual(kitCodes);
  });

  it('name the room that the class is declared in', () => {
    const elsewhere = errors.filter(({ code, file }) => {
      const folder = /^packages\/core\/src\/(\w+)\//.exec(file)?.[1]?.toUpperCase();
      return folder !== undefined && folder !== 'KERNEL' && folder !== code.split('_')[1];
    });
    expect(elsewhere).toEqual([]);
  });

  it('are all in the reference, and nothing else in the source looks like one', () => {
    const used = new Set<string>();
    for (const source of program.sources) {
      if (isSuite(program.pathOf(source))) continue;
      const visit = (node: ts.Node): void => {
        if (ts.isStringLiteralLike(node) && /^PANDO_[A-Z]/.test(node.text)) used.add(node.text);
        ts.forEachChild(node, visit);
      };
      visit(source);
    }
    const documented = [...errors.map(({ code }) => code), ...optionCodes(program)];
    expect([...used].filter((code) => !documented.includes(code) && !variables.includes(code))).toEqual([]);
    expect(errors.filter(({ code }) => !used.has(code))).toEqual([]);
  });

  it('of options are those of the rooms and of what they stand on', () => {
    const floors = ['CLIENT', 'HTTP', 'REDIS', 'TESTING'];
    const names = [...rooms.map((room) => room.toUpperCase()), ...floors];
    expect(optionCodes(program)).toEqual(['PANDO_OPTIONS', ...names.map((n) => `PANDO_${n}_OPTIONS`)].sort());
  });
});

describe('classes of errors', () => {
  it('are exported where their room is, or from the root if they belong to all', () => {
    const hidden = errors.filter(({ file, exportedFrom }) => {
      const room = /^packages\/core\/src\/(\w+)\//.exec(file)?.[1];
      const own = entryPoints.find(({ specifier }) => specifier === `@pando/core/${room}`);
      return !exportedFrom.includes(own?.specifier ?? '@pando/core');
    });
    expect(hidden).toEqual([]);
  });

  it('say when they happen and what to do about it', () => {
    expect(errors.filter(({ when, advice }) => when === '' || advice === '')).toEqual([]);
  });

  it('are ours wherever a caller gets them', () => {
    const plain = plainThrows(program).filter(({ file }) => !isSuite(file));
    expect(plain.filter(({ file }) => internal[file] === undefined)).toEqual([]);
    const files = new Set(plain.map(({ file }) => file));
    expect(Object.keys(internal).filter((file) => !files.has(file))).toEqual([]);
  });

  it('that the documentation of a module speaks of can be imported from it, or from the root', () => {
    const root = program.exportsOf({ specifier: '@pando/core', file: 'packages/core/src/index.ts' });
    const classes = new Set(errorClasses(program).map(({ name }) => name?.text));
    const roomsAndFloors = entryPoints.filter(({ specifier }) => /^@pando\/core\/./.test(specifier));
    const unreachable = roomsAndFloors.flatMap((entry) => {
      const exported = program.exportsOf(entry);
      return [...mentionedErrors(program, exported)]
        .filter(([name]) => !exported.has(name) && !root.has(name))
        .map(
          ([name, where]) => `${entry.specifier}: ${name}${classes.has(name) ? '' : ' (unknown)'}, ${where}`,
        );
    });
    expect(unreachable).toEqual([]);
  });

  it('speak in numbers and point to help', () => {
    const pressure = { waiting: 500, waitedMs: undefined };
    const error = new PoolOverloadedError('10 connections to primary db1:5432', pressure);
    expect(isPandoError(error, 'PANDO_DB_POOL_OVERLOADED')).toBe(true);
    expect(String(error)).toBe(
      'PoolOverloadedError: 500 requests already wait for one of the 10 connections to primary db1:5432. ' +
        'Raise db.pool.size, shorten queries, or shed load earlier (see docs/how-to/size-pools.md).',
    );
  });
});

/** Suites play the application, whose errors are its own. */
const isSuite = (path: string): boolean => path.startsWith('packages/core/src/testing/suites/');

/** Modules whose plain errors no caller gets as they are, and why. */
const internal: Readonly<Record<string, string>> = {
  'packages/core/src/cache/codecs.ts': 'bytes that it did not make; the cache takes them as absent',
  'packages/core/src/cache/demand.ts': 'a stored record that is none; the driver takes it as absent',
  'packages/core/src/cache/drivers/memory.ts': 'plays a level that is away; the manager loads instead',
  'packages/core/src/db/drivers/memory.ts': 'plays what the network does; wrapped like the real thing',
  'packages/core/src/db/drivers/pg.ts': 'the reason inside PandoOptionsError',
  'packages/core/src/metrics/drivers/memory.ts': 'what prom-client throws, word for word',
  'packages/core/src/realtime/sse-format.ts':
    'a guard against mistakes of our own; no field comes from outside',
  'packages/core/src/realtime/ws-protocol.ts':
    'caught where the frame is read; the client gets an error frame',
  'packages/core/src/redis/client.ts': 'the cause inside RedisUnavailableError',
  'packages/core/src/redis/commands.ts': 'the cause inside RedisUnavailableError',
  'packages/core/src/redis/shelf-fields.ts':
    'a kept token of a later release; the door reads as if it had seen everything',
  'packages/core/src/redis/token-shelf.ts': 'the same for data that Redis has lost',
  'packages/core/src/redis/connectors.ts': 'what ioredis expects of a connector that was told to stop',
  'packages/core/src/testing/exposition.ts': 'says what is wrong with a text, inside the suite of metrics',
};
