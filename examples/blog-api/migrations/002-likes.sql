create table likes (
  post_id integer not null references posts (id) on delete cascade,
  user_id integer not null references users (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (post_id, user_id)
);

create index likes_of_user on likes (user_id, post_id);
