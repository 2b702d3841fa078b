-- Each statement ends with a semicolon at the end of a line.

create table users (
  id integer generated always as identity primary key,
  email text not null unique,
  name text not null,
  -- Absent for the authors of the sample content: nobody can sign in as one of them.
  password_hash text,
  created_at timestamptz not null default now()
);

create table posts (
  id integer generated always as identity primary key,
  author_id integer not null references users (id),
  title text not null,
  body text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- The list is read newest first; the id decides among posts of one instant.
create index posts_newest on posts (created_at desc, id desc);

create index posts_of_author on posts (author_id);

create table comments (
  id integer generated always as identity primary key,
  post_id integer not null references posts (id) on delete cascade,
  author_id integer not null references users (id),
  body text not null,
  created_at timestamptz not null default now()
);

create index comments_of_post on comments (post_id, id);

create index comments_of_author on comments (author_id);

-- What all instances must share and nobody has configured.
create table secrets (
  name text primary key,
  value text not null
);
