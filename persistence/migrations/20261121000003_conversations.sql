-- migrate:up

-- Heads and marks move with every commit: no moving column is indexed and pages keep room, so that updates stay on
-- their page (HOT) and leave no work in the indexes. No foreign keys: `commit` is one statement that locks the head.
create table conversation (
    id bigint primary key,
    kind text not null check (kind in ('direct', 'group')),
    title text,
    creator bigint,
    create_cid text,
    create_digest bigint,
    low bigint,
    high bigint,
    last_c bigint not null default 0,
    fence bigint not null default 0,
    -- milliseconds since 1970, by the clock of whoever wrote the last event
    at bigint not null,
    -- by this database's clock: when marks, settings or members changed, and when the last event came
    state_at timestamptz not null default statement_timestamp(),
    stored_at timestamptz not null default statement_timestamp()
) with (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.1
);
create unique index conversation_pair on conversation (low, high) where low is not null;
create unique index conversation_creation on conversation (creator, create_cid) where creator is not null;

create table member (
    conversation bigint not null,
    user_id bigint not null,
    role text not null check (role in ('owner', 'admin', 'member')),
    joined_c bigint not null default 0,
    -- 0 while the membership lasts
    left_c bigint not null default 0,
    delivered_c bigint not null default 0,
    read_c bigint not null default 0,
    folder text not null default 'inbox' check (folder in ('inbox', 'requests')),
    settings jsonb not null default '{}',
    primary key (conversation, user_id)
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.1
);
create index member_user on member (user_id, conversation);

-- Only ever appended to; `body` is the MessagePack of the event, `digest` that of the request.
create table event (
    conversation bigint not null,
    c bigint not null,
    sender bigint not null,
    digest bigint not null,
    stored_at timestamptz not null default statement_timestamp(),
    kind smallint not null,
    cid text not null,
    body bytea not null,
    primary key (conversation, c),
    unique (conversation, sender, cid)
) with (
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);
create index event_stored_at on event using brin (stored_at) with (pages_per_range = 32, autosummarize = on);

-- migrate:down

drop table event;
drop table member;
drop table conversation;
