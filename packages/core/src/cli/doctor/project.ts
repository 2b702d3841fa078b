import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** An app by what it depends on. */
export interface Project {
  readonly label: string;
  readonly dependencies: ReadonlySet<string>;
}

/** Reads the manifest in a folder; undefined where there is none. */
export async function lookAtProject(folder: string): Promise<Project | undefined> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { name, dependencies = {} } = JSON.parse(text) as {
    readonly name?: string;
    readonly dependencies?: object;
  };
  return { label: name ?? folder, dependencies: new Set(Object.keys(dependencies)) };
}
