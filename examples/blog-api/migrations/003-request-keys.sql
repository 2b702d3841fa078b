-- A request that is repeated because its answer got lost finds what it has written, and writes nothing.

alter table posts add column request_key text;

create unique index posts_of_request on posts (author_id, request_key);

alter table comments add column request_key text;

create unique index comments_of_request on comments (author_id, request_key);
