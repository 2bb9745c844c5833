-- migrate:up

-- Where a person can be reached while none of their devices is connected. `address` is the token, or the
-- subscription's endpoint; whoever registers it last has it.
create table device (
    id bigint primary key,
    user_id bigint not null,
    login bigint not null,
    platform text not null check (platform in ('apns', 'fcm', 'web')),
    address text not null,
    subscription jsonb,
    app text,
    created_at timestamptz not null default statement_timestamp(),
    unique (platform, address)
);
create index device_user on device (user_id);

-- What shall reach a person, written with its cause. `key` makes it happen once; `collapse` names what a later one
-- replaces on the screen. A job without a conversation and a group is sent whatever was read.
create table push_job (
    id bigint generated always as identity primary key,
    user_id bigint not null,
    key text not null,
    kind text not null,
    collapse text not null,
    sender bigint,
    conversation bigint,
    c bigint,
    notification bigint,
    -- MessagePack of `protocol.pushes.Content`
    body bytea not null,
    at timestamptz not null default statement_timestamp(),
    due_at timestamptz not null default statement_timestamp(),
    expires_at timestamptz not null,
    state text not null default 'waiting' check (state in ('waiting', 'expanded', 'dropped')),
    unique (user_id, key)
);
create index push_job_due on push_job (due_at) where state = 'waiting';

-- migrate:down

drop table push_job;
drop table device;
