import { existsSync } from 'node:fs';
import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/server.ts', 'src/demo.ts'].filter((file) => existsSync(file)),
  format: ['esm'],
  splitting: true,
  dts: false,
  sourcemap: true,
  target: 'node20',
  tsconfig: '../../tsconfig.base.json',
});
