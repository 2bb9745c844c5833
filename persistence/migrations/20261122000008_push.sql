-- migrate:up

-- Where a person can be reached while none of their devices is connected. `address` is the token, or the
-- subscription's endpoint; whoever registers it last has it. A revoked login's devices are void.
create table device (
    id bigint primary key,
    user_id bigint not null,
    login bigint not null,
    platform text not null check (platform in ('apns', 'fcm', 'web')),
    address text not null,
    -- of a web subscription: its public key and its shared secret (RFC 8291)
    p256dh bytea,
    auth bytea,
    app text,
    -- moves with every registration: who removes a device names the one that was found gone
    registered_at timestamptz not null default statement_timestamp(),
    unique (platform, address)
);
create index device_user on device (user_id, registered_at);

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
    -- by which it may go out: 'push', 'email'
    channels text[] not null default '{push}',
    at timestamptz not null default statement_timestamp(),
    due_at timestamptz not null default statement_timestamp(),
    expires_at timestamptz not null,
    state text not null default 'waiting' check (state in ('waiting', 'expanded', 'dropped')),
    -- why it was dropped
    reason text,
    unique (user_id, key)
);
create index push_job_due on push_job (due_at) where state = 'waiting';
create index push_job_over on push_job (expires_at) where state <> 'waiting';

-- One job on its way to one device, or to the person's mailbox (without a device). While it waits, `due_at` is when
-- somebody may claim it: at the next attempt, or when the claim of a sender that fell silent has run out.
create table push_delivery (
    id bigint generated always as identity primary key,
    job bigint not null,
    provider text not null check (provider in ('apns', 'fcm', 'web', 'email')),
    device bigint,
    state text not null default 'waiting' check (state in ('waiting', 'sent', 'gone', 'dropped', 'dead')),
    due_at timestamptz not null default statement_timestamp(),
    attempts int not null default 0,
    -- numbers the claims: only the latest one settles
    claim int not null default 0,
    -- why the last attempt failed, or why it was dropped
    error text,
    settled_at timestamptz,
    unique nulls not distinct (job, device)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
create index push_delivery_due on push_delivery (provider, due_at) where state = 'waiting';
create index push_delivery_dead on push_delivery (id) where state = 'dead';

-- migrate:down

drop table push_delivery;
drop table push_job;
drop table device;
