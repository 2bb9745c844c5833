-- migrate:up

-- Up to where messages of this conversation have been pushed to this member, or were spoken for by a later push.
alter table member add column pushed_c bigint not null default 0;

-- The 8,192 shards in 64 groups: of each, until when, by this database's clock, the log has been looked through for
-- messages that have reached no device of their readers.
create table swept (
    shard_group smallint primary key,
    until timestamptz not null
) with (fillfactor = 50);

create index push_job_collapse on push_job (user_id, collapse) where state = 'waiting';

-- migrate:down

drop index push_job_collapse;

drop table swept;
alter table member drop column pushed_c;
