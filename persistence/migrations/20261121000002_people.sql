-- migrate:up

create table account (
    id bigint primary key,
    username text not null check (username ~ '^[A-Za-z0-9._]{1,30}$'),
    name text,
    email text,
    password_hash text,
    settings jsonb not null default '{}',
    created_at timestamptz not null default statement_timestamp()
);
-- Usernames are ASCII, so lower() means the same under every locale.
create unique index account_username on account (lower(username));

create table login (
    id bigint primary key,
    account bigint not null references account (id),
    device jsonb,
    -- SHA-256 of the refresh token's two parts: the one that stays, and the one that each exchange replaces.
    family bytea not null,
    secret bytea not null,
    -- Of the last exchange: the digest that was replaced, and the successor, which only the replaced token opens.
    previous bytea not null default '',
    sealed bytea not null default '',
    created_at timestamptz not null default statement_timestamp(),
    last_used_at timestamptz not null default statement_timestamp(),
    revoked_at timestamptz
);
create unique index login_family on login (family);
create index login_account on login (account, last_used_at) where revoked_at is null;
create index login_revoked_at on login (revoked_at) where revoked_at is not null;

-- migrate:down

drop table login;
drop table account;
