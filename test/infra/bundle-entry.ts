import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Inside node_modules, so that the bundle finds the packages that it imports. */
const folder = join(root, 'node_modules', '.cache', 'pando-entries');

/**
 * Makes a TypeScript program runnable by plain Node, with our packages from their sources and all others imported.
 *
 * The file is named by its content: processes that bundle the same program at once get the same file.
 */
export async function bundleEntry(file: string): Promise<string> {
  const result = await build({
    entryPoints: [file],
    absWorkingDir: root,
    tsconfig: join(root, 'tsconfig.json'), // whose paths lead @pando/* to the sources
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    loader: { '.lua': 'text' },
    sourcemap: 'inline',
    write: false,
    logLevel: 'silent', // errors are thrown
  });
  const code = result.outputFiles[0]?.contents ?? new Uint8Array();
  const hash = createHash('sha256').update(code).digest('hex').slice(0, 12);
  const target = join(folder, `${basename(file).replace(/\.[cm]?ts$/, '')}-${hash}.mjs`);
  const draft = `${target}.${process.pid}`;
  await mkdir(folder, { recursive: true });
  await writeFile(draft, code);
  await rename(draft, target);
  return target;
}
