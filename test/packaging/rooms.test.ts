import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import manifest from '../../packages/core/package.json' with { type: 'json' };
import { filesIn, rooms, root } from './workspace.js';

const source = 'packages/core/src';
/** What core has besides rooms. */
const floors = ['client', 'http', 'kernel', 'redis', 'testing'];
const driverless = ['health', 'lifecycle'];

function shapeOf(room: string): string[] {
  const files = ['index', 'create', room, 'options', 'ports', 'errors', 'metrics'];
  return driverless.includes(room) ? files : [...files, 'drivers/memory'];
}

function sourcesOf(room: string): string[] {
  return filesIn(`${source}/${room}`)
    .filter((path) => path.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(path))
    .map((path) => path.slice(`${source}/${room}/`.length, -'.ts'.length));
}

/** The statements of a module, without its comments. */
function statementsOf(path: string): string[] {
  return readFileSync(join(root, path), 'utf8')
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim().replace(/\s+/g, ' '))
    .filter((statement) => statement !== '');
}

it('core holds the rooms and the floors they stand on, nothing else', () => {
  const folders = readdirSync(join(root, source), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  expect(folders.filter((folder) => !floors.includes(folder)).sort()).toEqual([...rooms].sort());
});

describe.each(rooms)('the room %s', (room) => {
  it('has the files that every room has', () => {
    const present = sourcesOf(room);
    expect(shapeOf(room).filter((file) => !present.includes(file))).toEqual([]);
  });

  it('re-exports by name in its index.ts and does nothing else there', () => {
    const others = statementsOf(`${source}/${room}/index.ts`).filter(
      (statement) => !/^export (type )?\{[^}]*\} from '\.\/[^']+'$/.test(statement),
    );
    expect(others).toEqual([]);
  });

  it('is a subpath export of its own', () => {
    expect(Object.keys(manifest.exports)).toContain(`./${room}`);
  });
});

it.each(rooms.filter((room) => !driverless.includes(room)))(
  'the room %s has a real driver beside memory',
  (room) => {
    const drivers = sourcesOf(room).filter(
      (path) => path.startsWith('drivers/') && path !== 'drivers/memory',
    );
    expect(drivers).not.toEqual([]);
  },
);
