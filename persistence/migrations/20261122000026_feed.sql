-- migrate:up

-- Authors whose posts are not put into each follower's list, as there are too many: readers merge them. A row stays
-- when an author is one no more. `version` is that of the change, so that lists know which ones they have not heeded.
create table celebrity (
    author bigint primary key,
    celebrity boolean not null,
    version bigint not null
);
create index celebrity_changes on celebrity (version, author);
-- One row, locked by whoever changes one: versions become visible in their order.
create table celebrity_version (
    one boolean primary key default true check (one),
    version bigint not null default 0
);
insert into celebrity_version default values;

-- A post on its way to the author's followers, in the order of `follow_followee`. `due_at` is when somebody may claim
-- it, null when it is done; `claim` numbers the claims: only the latest one moves it on. `told`: who is online knows.
create table fanout (
    post bigint primary key,
    author bigint not null,
    after_at timestamptz not null default 'epoch',
    after_follower bigint not null default 0,
    told boolean not null default false,
    claim int not null default 0,
    due_at timestamptz default statement_timestamp(),
    done_at timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
create index fanout_due_at on fanout (due_at) where due_at is not null;
create index fanout_done_at on fanout (done_at) where done_at is not null;

-- migrate:down

drop table fanout;
drop table celebrity_version;
drop table celebrity;
