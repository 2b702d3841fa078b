import { readFile } from 'node:fs/promises';
import { createPando } from '@pando/core';
import { createTestCluster, type TestCluster, waitFor } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startAlternatingName } from '../../infra/one-name.js';
import { startPgBouncer } from '../../infra/pgbouncer.js';
import { consult } from './consult.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await createTestCluster({ replicas: 1, settings: { wal_keep_size: 0, max_connections: 60 } });
  await cluster.primary.query('create role plain login');
  await cluster.caughtUp();
});
afterAll(() => cluster?.close());

const underAnotherName = (url: string) => url.replace('127.0.0.1', 'localhost');
const as = (role: string, url: string) => url.replace('postgres://postgres@', `postgres://${role}@`);
const primaryUrl = () => cluster.primary.url;
const replica = () => cluster.replicas[0] as TestCluster['primary'];

it('finds nothing wrong with a primary and a replica that keeps up', async () => {
  const { code, named, of } = await consult('--db', primaryUrl(), '--replica', replica().url);
  expect(named('problem')).toEqual([]);
  expect(named('unknown')).toEqual([]);
  expect(of('db.role')).toEqual(['fine takes writes']);
  expect(of('db.slots')).toEqual(['fine 1 standby connection, with slots']);
  expect(of('replica.role')).toEqual([`fine a standby of 127.0.0.1:${cluster.primary.port}`]);
  expect(of('replica.lag')).toEqual([
    expect.stringMatching(/^(fine|note) has what the primary had within \d+ ms$/),
  ]);
  expect(code).toBe(0);
});

it('sees with a plain role what a superuser sees', async () => {
  const { code, named, of } = await consult(
    ...['--db', as('plain', primaryUrl()), '--replica', as('plain', replica().url)],
  );
  expect(named('problem')).toEqual([]);
  expect(named('unknown')).toEqual([]);
  expect(of('db.slots')).toEqual(['fine 1 standby connection, with slots']);
  expect(code).toBe(0);
});

it('counts the connections of all instances against what the server has', async () => {
  // 57 are there for this role; another ask of the doctor itself is no other program's.
  const asked = (...args: string[]) => consult('--db', primaryUrl(), ...args);
  const of = async (...args: string[]) => (await asked(...args)).of('db.connections');
  expect(await of()).toEqual([
    expect.stringMatching(
      /^fine 57 for 1 instance, 30 of up to 30 each; \d+ in use .*; --instances says how many there are$/,
    ),
  ]);
  expect(await of('--instances', '3')).toEqual([
    expect.stringMatching(/^note 57 for 3 instances, 18 of up to 30/),
  ]);
  expect(await of('--instances', '6')).toEqual([
    expect.stringMatching(/^problem 57 for 6 instances, 8 of up to 30/),
  ]);
  expect(await of('--instances', '6', '--pool-size', '4', '--pool-overflow', '4')).toEqual([
    expect.stringMatching(/^(fine|note) 57 for 6 instances, 8 of up to 8/),
  ]);
  const { code, of: told } = await asked('--connection-budget', '187');
  expect(told('db.connections')).toEqual([
    'problem db.connectionBudget is 187, and the server has 57 for this role',
  ]);
  expect(code).toBe(1);
});

it('tells the connections of the app from those of other programs', async () => {
  await using pando = await createPando({
    name: 'shop',
    db: { primary: primaryUrl() },
    lifecycle: { signals: false },
  });
  const sessions = await pando.db.read<{ name: string }>(
    `select current_setting('application_name') as name`,
  );
  expect(sessions.rows).toEqual([{ name: 'pando:shop' }]);
  const others = async (name: string) => {
    const [told = ''] = (await consult('--db', primaryUrl(), '--name', name)).of('db.connections');
    return Number(/(\d+) in use by other programs/.exec(told)?.[1]);
  };
  await waitFor(async () => (await others('shop')) === 0); // what earlier tests had has gone
  expect(await others('another')).toBeGreaterThanOrEqual(1);
});

it('finds a replica whose replay is paused, and one that stays behind', async () => {
  await replica().pauseReplay();
  const paused = await consult('--db', primaryUrl(), '--replica', replica().url);
  expect(paused.of('replica.lag')).toEqual(['problem its replay is paused']);
  expect(paused.code).toBe(1);
  await replica().resumeReplay();

  await replica().delayReplay(4_000);
  await cluster.primary.query('create table late ()');
  const late = await consult('--db', primaryUrl(), '--replica', replica().url);
  expect(late.of('replica.lag')).toEqual([
    expect.stringMatching(/^note has what the primary had within \d{4,} ms$/),
  ]);
  await replica().delayReplay(0);
  await cluster.caughtUp();
});

it('finds a standby without a slot, and a slot that nobody uses', async () => {
  await replica().query(`alter system set primary_slot_name = ''`);
  await replica().query('select pg_reload_conf()');
  const isFree = `select from pg_replication_slots where not active`;
  await waitFor(async () => (await cluster.primary.query(isFree)).length === 1);
  await waitFor(async () => (await cluster.primary.query('select from pg_stat_replication')).length === 1);
  const { code, of } = await consult('--db', as('plain', primaryUrl()));
  expect(of('db.slots')).toEqual([
    expect.stringMatching(/^note nobody uses slot replica_1, for which .+ is kept$/),
    'problem 1 standby connection without a slot, and wal_keep_size is 0',
  ]);
  expect(code).toBe(1);
});

it('finds servers that were mistaken for each other', async () => {
  const swapped = await consult('--db', replica().url, '--replica', primaryUrl());
  expect(swapped.of('db.role')).toEqual(['problem a standby: it takes no writes']);
  expect(swapped.of('replica.role')).toEqual([
    'problem takes writes, as the primary does: one of them was promoted',
  ]);
  const twice = await consult('--db', primaryUrl(), '--replica', primaryUrl());
  expect(twice.of('replica.role')).toEqual(['note the primary itself']);
  const renamed = await consult('--db', primaryUrl(), '--replica', underAnotherName(primaryUrl()));
  expect(renamed.of('replica.role')).toEqual(['note the primary itself']);
  const standbys = await consult('--db', replica().url, '--replica', replica().url);
  expect(standbys.named('problem')).toEqual(['db.role']);
  const alone = await consult('--replica', replica().url);
  expect(alone.of('replica.role')).toEqual(['unknown no primary to compare it with']);
  expect(alone.code).toBe(2);
});

it('looks at each server behind one name', async () => {
  await using name = await startAlternatingName([replica().url, primaryUrl()]);
  await replica().pauseReplay();
  const { findings, of } = await consult('--db', primaryUrl(), '--replica', name.url);
  await replica().resumeReplay();
  expect([...of('replica.role')].sort()).toEqual([
    `fine a standby of 127.0.0.1:${cluster.primary.port}`,
    'note the primary itself',
  ]);
  expect(of('replica.lag')).toEqual(['problem its replay is paused']);
  expect(new Set(findings.map(({ subject }) => subject.replace(/^.* \(/, '(')))).toEqual(
    new Set([`Postgres 127.0.0.1:${cluster.primary.port}`, '(1 of 2)', '(2 of 2)']),
  );
});

it('finds effects that nobody carries out', async () => {
  const table = new URL('../../../packages/core/migrations/outbox.sql', import.meta.url);
  await cluster.primary.query(await readFile(table, 'utf8'));
  await cluster.primary.query(
    `insert into pando_outbox (kit, id, effects, created_at) values
       ('shop', gen_random_uuid(), '{}', now() - interval '5 minutes'),
       ('young', gen_random_uuid(), '{}', now())`,
  );
  const waiting = async (name: string) =>
    (await consult('--db', primaryUrl(), '--name', name)).of('db.outbox');
  expect(await waiting('shop')).toEqual([
    'problem the effects of 1 transaction have waited for more than a minute',
  ]);
  expect(await waiting('young')).toEqual(['fine nothing waits']);
  const unseen = await consult('--db', as('plain', primaryUrl()), '--name', 'shop');
  expect(unseen.of('db.outbox')).toEqual(['unknown pando_outbox may not be read']);
});

it('finds a role that may not ask what routing asks', async () => {
  await cluster.primary.query('create database guarded');
  const url = (role: string) => as(role, primaryUrl()).replace(/\/[^/]*$/, '/guarded');
  const client = new pg.Client(url('postgres'));
  await client.connect();
  await client.query('revoke execute on function pg_control_system() from public');
  await client.end();
  const { code, of, named } = await consult('--db', url('plain'));
  expect(of('db.permissions')).toEqual(['problem permission denied for function pg_control_system']);
  expect(of('db.version')).toEqual([expect.stringMatching(/^fine Postgres/)]);
  expect(named('unknown')).toEqual([]);
  expect(code).toBe(1);
});

it('tells an old server from one that is out of reach', async () => {
  // It says so to this role alone, and knows as little as such a one does.
  await cluster.primary.query('create role old login');
  await cluster.primary.query('create schema twelve');
  await cluster.primary.query('grant usage on schema twelve to old');
  await cluster.primary.query(`create function twelve.current_setting(name text) returns text language plpgsql as
    $$ begin
      if name = 'server_version' then return '12.17 (Debian 12.17-1)'; end if;
      raise exception 'unrecognized configuration parameter "%"', name;
    end $$`);
  await cluster.primary.query('alter role old set search_path = twelve, pg_catalog, public');
  const { code, of, named } = await consult('--db', as('old', primaryUrl()));
  expect(of('db.version')).toEqual(['problem Postgres 12.17']);
  expect(named('unknown')).toEqual([]);
  expect(code).toBe(1);
});

it('knows that a pooler stands before the server', async () => {
  await using bouncer = await startPgBouncer({ target: primaryUrl() });
  const { of, named } = await consult('--db', bouncer.url);
  expect(of('db.pooler')).toEqual(['note a pooler stands before the server']);
  expect(of('db.connections')).toEqual([]);
  expect(named('unknown')).toEqual([]);
});

it('finds a slot whose log is gone', async () => {
  const { primary } = cluster;
  await primary.query(`select pg_create_physical_replication_slot('gone', true)`);
  await primary.query(`alter system set max_slot_wal_keep_size = '1MB'`);
  await primary.query('select pg_reload_conf()');
  const isLost = `select from pg_replication_slots where slot_name = 'gone' and wal_status = 'lost'`;
  await waitFor(async () => {
    await primary.query('create table filler ()');
    await primary.query('drop table filler');
    await primary.query('select pg_switch_wal()');
    await primary.query('checkpoint');
    return (await primary.query(isLost)).length === 1;
  });
  const { code, of } = await consult('--db', primaryUrl());
  expect(of('db.slots')).toContain('problem slot gone has lost the log of its standby');
  expect(code).toBe(1);
});
