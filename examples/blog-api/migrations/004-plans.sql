-- What somebody may do how often: see the limits of the app.
alter table users add column plan text not null default 'free' check (plan in ('free', 'premium', 'enterprise'));
