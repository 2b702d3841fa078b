import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { index: 'src/index.ts' },
  format: ['esm', 'cjs'],
  splitting: true,
  dts: true,
  clean: false,
  sourcemap: true,
  target: 'node20',
  tsconfig: 'tsconfig.build.json',
});
