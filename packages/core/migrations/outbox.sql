-- Holds what committed transactions want done until it was done; normally empty.
create table if not exists pando_outbox (
  kit text not null,
  id uuid not null,
  -- json, not jsonb: payloads come back exactly as they were given
  effects json not null,
  -- after a week its events are not published any more
  created_at timestamptz not null default now(),
  primary key (kit, id)
);
