import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** An app by what it depends on. */
export interface Project {
  readonly label: string;
  readonly dependencies: ReadonlySet<string>;
}

/** A manifest that cannot be read. */
export interface UnreadableProject {
  readonly label: string;
  readonly failure: string;
}

/** Reads the manifest in a folder; undefined where there is none. */
export async function lookAtProject(folder: string): Promise<Project | UnreadableProject | undefined> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  let manifest: { readonly name?: string; readonly dependencies?: object } | null;
  try {
    manifest = JSON.parse(text);
  } catch {
    return { label: folder, failure: 'its package.json is no JSON' };
  }
  const { name, dependencies } = manifest ?? {};
  return { label: name ?? folder, dependencies: new Set(Object.keys(dependencies ?? {})) };
}
