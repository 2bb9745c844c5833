-- migrate:up

-- Renewed every second, and no column that moves is indexed: updates stay on their page.
create table node (
    name text primary key,
    -- drawn for each life; of those under one name the latest is here
    incarnation text not null,
    url text not null,
    address text not null,
    private text not null,
    -- the version that it last said it acts by
    confirmed bigint not null default 0,
    renewed_at timestamptz not null default statement_timestamp()
) with (fillfactor = 50);

-- Lives that are over: what they had running is ended by whoever learns of it.
create table ended_life (
    incarnation text not null,
    ended_at timestamptz not null default statement_timestamp()
);

-- One row. Statements write it last, after every row of `node` that they write: so they never wait in a circle.
create table placement (
    one boolean primary key default true check (one),
    version bigint not null default 0,
    -- no lease runs out before that
    grace_until timestamptz not null default 'epoch'
);
insert into placement default values;

-- An update that moves only what a BRIN index summarizes stays on its page (since Postgres 16). Members who get on are
-- spread over the whole table: with more than one page in a range, several times as many would have to be read. Pages
-- that are not summarized yet are read every time; vacuum summarizes, so it comes early.
create index member_state_at on member using brin (state_at) with (pages_per_range = 1);
alter table member set (autovacuum_vacuum_insert_scale_factor = 0.05);

-- migrate:down

alter table member reset (autovacuum_vacuum_insert_scale_factor);
drop index member_state_at;
drop table placement;
drop table ended_life;
drop table node;
