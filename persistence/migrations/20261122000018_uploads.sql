-- migrate:up

-- A file on its way in: as many bytes as are durable among the objects, `received` of `length`. One writer at a time
-- holds it, until `held_until`. When the last byte is there it becomes `media`, in the same transaction.
create table upload (
    id bigint primary key,
    owner bigint not null,
    length bigint not null,
    received bigint not null default 0,
    metadata text not null default '',
    holder text,
    held_until timestamptz,
    media bigint,
    created_at timestamptz not null default statement_timestamp(),
    expires_at timestamptz not null
);
create index upload_owner on upload (owner, created_at);
create index upload_expires_at on upload (expires_at);

-- What somebody has brought in. Its objects are named after its id. `processing` until every step of the pipeline is
-- done, then `ready`, or `rejected` with the reason; `steps` holds what the steps that are done have found.
create table media (
    id bigint primary key,
    owner bigint not null,
    state text not null default 'processing' check (state in ('processing', 'ready', 'rejected')),
    bytes bigint not null,
    type text,
    width int,
    height int,
    thumbhash bytea,
    perceptual bytea,
    steps jsonb not null default '{}',
    attempts int not null default 0,
    due_at timestamptz default statement_timestamp(),
    reason text,
    created_at timestamptz not null default statement_timestamp()
);
create index media_due on media (due_at) where due_at is not null;
create index media_owner on media (owner, created_at);

-- migrate:down

drop table media;
drop table upload;
