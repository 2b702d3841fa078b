import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { run } from './run.mjs';

const policyFile = '/usr/sbin/policy-rc.d';
const units = {
  'redis-server': ['redis-server'],
  nginx: ['nginx'],
  haproxy: ['haproxy'],
  pgbouncer: ['pgbouncer'],
};

/** Installs Debian packages into the system, as root, without starting or enabling the services they bring. */
export async function installPackages(packages) {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  await run('apt-get', [...wait, '-qq', 'update'], { env });
  const forbidden = forbidServiceStarts();
  try {
    await run('apt-get', [...wait, '-y', '-qq', 'install', '--no-install-recommends', ...packages], { env });
  } finally {
    if (forbidden) rmSync(policyFile, { force: true });
  }
  await disableUnits(packages.flatMap((name) => units[name] ?? []));
}

/** Debian's maintainer scripts ask this file before they start a service; one that is there already stays. */
function forbidServiceStarts() {
  if (existsSync(policyFile)) return false;
  writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  return true;
}

/** Where systemd runs, keeps the new services from starting with the next boot. */
async function disableUnits(names) {
  if (names.length === 0 || !existsSync('/run/systemd/system')) return;
  await run('systemctl', ['disable', ...names]).catch(() => undefined); // a unit may be named otherwise on another release
}
