-- Which slots this shard takes writes for: 'here' alone does.
create table if not exists pando_slots (
  slot integer primary key check (slot between 0 and 8191),
  state text not null default 'here' check (state in ('here', 'frozen', 'away'))
);
insert into pando_slots (slot) select generate_series(0, 8191) on conflict do nothing;

-- The slot of a key, as db.shard(key) has it.
create or replace function pando_slot(key text) returns integer language sql immutable strict parallel safe
as $$ select (get_byte(sha256(convert_to(key, 'UTF8')), 0) << 4) | (get_byte(sha256(convert_to(key, 'UTF8')), 1) >> 4) $$;

-- For each row of a table, before it is written: pando_guard('id', column) reads the slot out of an id of db.newId,
-- pando_guard('key', column) takes it from the key. The row of the slot is locked until the writing transaction ends, so whoever
-- changes its state waits for the writers before, and the writers after see what it has become, at every isolation level.
create or replace function pando_guard() returns trigger language plpgsql security definer set search_path from current
as $$
declare
  written jsonb;
  written_slot integer;
  found_state text;
begin
  foreach written in array array[to_jsonb(old), to_jsonb(new)] loop
    continue when written is null or written = 'null';
    written_slot := case tg_argv[0]
      when 'id' then ((written ->> tg_argv[1])::bigint >> 9) & 8191
      else pando_slot(written ->> tg_argv[1])
    end;
    select state into found_state from pando_slots where slot = written_slot for share;
    if found_state is distinct from 'here' then
      raise exception 'slot % is %', written_slot, coalesce(found_state, 'unknown') using errcode = 'PD001';
    end if;
  end loop;
  return coalesce(new, old);
end
$$;
