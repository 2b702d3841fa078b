import { chmod, chown, copyFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { createDatabase } from '@pando/core/db';
import { createTemporaryFolder, createTestCluster, waitFor } from '@pando/core/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Certificate, createCertificate } from '../infra/certificate.js';

let cluster: Awaited<ReturnType<typeof createTestCluster>>;
let certificate: Certificate;
let other: Certificate;

/** A server that lets `app` in over TLS only, with a password. */
beforeAll(async () => {
  cluster = await createTestCluster({ replicas: 0 });
  const { primary } = cluster;
  await using folder = await createTemporaryFolder('pando-certificate-');
  certificate = await createCertificate(folder.path);
  await using another = await createTemporaryFolder('pando-certificate-');
  other = await createCertificate(another.path);
  const { uid, gid } = await stat(primary.dataFolder);
  for (const name of ['server.crt', 'server.key']) {
    const path = join(primary.dataFolder, name);
    await copyFile(join(folder.path, name), path);
    await chmod(path, 0o600);
    await chown(path, uid, gid);
  }
  await primary.query(`create role app login password 'first'`);
  await primary.query('alter system set ssl = on');
  const rules = ['host all postgres 127.0.0.1/32 trust', 'hostssl all app 127.0.0.1/32 scram-sha-256'];
  await writeFile(join(primary.dataFolder, 'pg_hba.conf'), `${rules.join('\n')}\n`);
  await primary.query('select pg_reload_conf()');
  await waitFor(async () => (await primary.query('show ssl'))[0]?.ssl === 'on');
});

afterAll(() => cluster.close());

const open = (password: () => Promise<string>, ssl: ConnectionOptions = { ca: certificate.ca }) => {
  const url = new URL(cluster.primary.url);
  url.username = 'app';
  const primary = { connectionString: url.href, password, ssl };
  const db = createDatabase({ primary, startTimeoutMs: 500 });
  onTestFinished(() => db.close());
  return db;
};

it('connects over TLS and asks for the password at each connection', async () => {
  let [password, asked] = ['first', 0];
  onTestFinished(async () => {
    await cluster.primary.query(`alter role app password 'first'`);
  });
  const db = open(async () => {
    asked++;
    return password;
  });
  await db.start();
  const { rows } = await db.read('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
  expect(rows).toEqual([{ ssl: true }]);
  expect(asked).toBe(2); // one that watches, one that reads

  password = 'second';
  await cluster.primary.query(`alter role app password 'second'`);
  await cluster.primary.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`);
  await waitFor(() => db.read('select 1'), { intervalMs: 5 });
  await waitFor(() => asked >= 4); // both sessions are back, each with the new password
});

it('cancels statements over TLS', async () => {
  const db = open(async () => 'first');
  const signal = AbortSignal.timeout(50);
  await expect(db.read('select pg_sleep(20)', [], { signal })).rejects.toMatchObject({
    name: 'TimeoutError',
  });
  const running = `select from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`;
  expect(await cluster.primary.query(running)).toEqual([]);
});

it('does not start with a wrong password, and does not tell it', async () => {
  const error: Error = await open(async () => 'hunter2')
    .start()
    .then(
      () => expect.fail('started'),
      (reason) => reason,
    );
  expect(error.message).toBe(
    `cannot use the primary database 127.0.0.1:${cluster.primary.port}/postgres: password authentication failed for user "app". ` +
      'Correct the credentials or the name of the database in db.primary.',
  );
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hunter2');
});

describe('a server that is not trusted', () => {
  it.each([
    ['of an authority that nobody has named', () => ({ ca: '' })],
    ['of another authority than the one that was named', () => ({ ca: other.ca })],
    ['of another name', () => ({ ca: certificate.ca, servername: 'db.example' })],
  ])('is not used: one %s', async (_, ssl) => {
    const error: Error = await open(async () => 'first', ssl())
      .start()
      .then(
        () => expect.fail('started'),
        (reason) => reason,
      );
    expect(error).toMatchObject({ code: 'PANDO_DB_UNREACHABLE', retryable: true });
    expect(error.message).toContain(`127.0.0.1:${cluster.primary.port}/postgres: `);
    expect(error.message).toContain('Give db.primary.ssl the authority that signed its certificate');
  });
});

it('says so where the server has no TLS', async () => {
  await using plain = await createTestCluster({ replicas: 0 });
  const primary = { connectionString: plain.primary.url, ssl: true };
  await using db = createDatabase({ primary, startTimeoutMs: 500 });
  await expect(db.start()).rejects.toMatchObject({
    code: 'PANDO_DB_UNREACHABLE',
    message: expect.stringContaining('leave db.primary.ssl out'),
  });
});

it('tells what failed when there is no password to be had', async () => {
  const db = open(async () => {
    throw new Error('the vault is sealed');
  });
  await expect(db.start()).rejects.toThrow('the vault is sealed');
});
