/**
 * Completes package-lock.json with the optional binaries of other platforms.
 *
 * Tools such as Biome and Rollup list one binary package per platform as optional. A registry mirror that serves
 * only some of them makes npm write a lock file without the rest, which `npm ci` then refuses. This adds an entry
 * (version, optional, os, cpu) for every one that is missing, so that the lock is the same on every machine.
 * Run it after any `npm install` that changed the tools: node scripts/complete-lock.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const { packages } = lock;

const systems = [
  'darwin',
  'linux',
  'win32',
  'android',
  'freebsd',
  'openbsd',
  'netbsd',
  'sunos',
  'aix',
  'openharmony',
];
const processors = [
  'x64',
  'arm64',
  'arm',
  'ia32',
  'ppc64',
  's390x',
  'riscv64',
  'loong64',
  'mips64el',
  'wasm32',
];
const spellings = {
  windows: 'win32',
  x86: 'ia32',
  armv7: 'arm',
  loongarch64: 'loong64',
  riscv: 'riscv64',
  ppc64le: 'ppc64',
};

/** What the name of a binary package says about its platform: `@scope/cli-darwin-arm64` → darwin, arm64. */
function platformOf(name) {
  const words = name
    .split('/')
    .at(-1)
    .split(/[-.]/)
    .map((word) => spellings[word] ?? word);
  const os = words.filter((word) => systems.includes(word));
  const cpu = words
    .map((word) => word.replace(/^arm(eabihf|eabi|hf)$/, 'arm'))
    .filter((word) => processors.includes(word));
  const libc = words.some((word) => word.startsWith('musl'))
    ? ['musl']
    : words.some((word) => word.startsWith('gnu'))
      ? ['glibc']
      : [];
  return { ...(cpu.length ? { cpu } : {}), ...(libc.length ? { libc } : {}), ...(os.length ? { os } : {}) };
}

/** Whether `name`, asked for by the package at `from`, has an entry in one of the node_modules above it. */
function isLocked(from, name) {
  const folders = from.split('/');
  return folders.concat('').some((_, i) => {
    const folder = folders.slice(0, folders.length - i).join('/');
    return `${folder ? `${folder}/` : ''}node_modules/${name}` in packages;
  });
}

const added = [];
for (const [location, entry] of Object.entries(packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(location, name)) continue;
    const version = range.replace(/^[\^~]/, '');
    packages[`node_modules/${name}`] = {
      version,
      ...platformOf(name),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
    };
    added.push(`${name}@${version}`);
  }
}

if (added.length > 0) {
  lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(
  added.length === 0 ? 'package-lock.json is complete.' : `Added ${added.length}:\n  ${added.join('\n  ')}`,
);
