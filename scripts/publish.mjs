/**
 * npm run release:publish: publishes every version that npm does not have yet, and tags it. For the release workflow.
 *
 * npm takes a statement of provenance only for a package that names the repository it was built in. The runner knows
 * which one that is, so a fork publishes as itself; manifests are completed in its checkout only.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { main, root, run } from './run.mjs';

const folders = ['packages/core', 'packages/express-adapter', 'packages/fastify-adapter'];

/** A manifest that says where its package lives; one that says so already is left as it is. */
export function withRepository(manifest, folder, { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name }) {
  if (manifest.repository !== undefined || server === undefined || name === undefined) return manifest;
  const url = `${server}/${name}`;
  return {
    ...manifest,
    homepage: `${url}/tree/main/${folder}#readme`,
    bugs: `${url}/issues`,
    repository: { type: 'git', url: `git+${url}.git`, directory: folder },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    for (const folder of folders) {
      const file = join(root, folder, 'package.json');
      const manifest = withRepository(JSON.parse(readFileSync(file, 'utf8')), folder, process.env);
      writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
    }
    // Builds with types, too: every package does before it is packed.
    await run(process.execPath, [join(root, 'node_modules/@changesets/cli/bin.js'), 'publish']);
  });
}
