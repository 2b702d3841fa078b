-- One row: how far the ids of this shard have come, as (ms since 2020-01-01T00:00Z) << 9 | number within the ms.
create table if not exists pando_ids (
  id smallint primary key default 0 check (id = 0),
  last bigint not null
);
insert into pando_ids (last) values (0) on conflict do nothing;
