-- migrate:up

-- What happened, written with its cause, until it is packed into messages. `id` is the event's own for ever: consumers
-- know a repeat by it. Of two events of one edge the later has the larger one, as it is drawn while the edge is locked.
-- 400 bodies (MOST_EVENTS) make one message, which NATS takes up to 1 MB.
create table outbox (
    topic text not null,
    id bigint generated always as identity,
    body bytea not null check (octet_length(body) <= 2048),
    at timestamptz not null default statement_timestamp(),
    primary key (topic, id)
) with (autovacuum_vacuum_scale_factor = 0.05);

-- Who reads a topic. Its row stays while no node knows it: the release that retires a consumer removes the row.
create table outbox_consumer (
    name text primary key,
    topic text not null
);

-- Many events for one consumer, until it has handled them. From `due_at` on, the message counts as lost, and is sent again.
-- Bodies are not compressed: that would cost more than their few seconds here. `id` is drawn: what another database's
-- nodes left in the same NATS is then not taken for a message of this one.
create table outbox_message (
    consumer text not null,
    id bigint not null default hashtextextended(gen_random_uuid()::text, 0),
    events int not null,
    since timestamptz not null,
    attempts int not null default 0,
    due_at timestamptz not null,
    ids bigint[] not null,
    ats bigint[] not null,
    bodies bytea[] storage external not null,
    primary key (consumer, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Events that their consumer cannot handle, until somebody replays or drops them.
create table dead_letter (
    consumer text not null,
    id bigint not null,
    body bytea not null,
    at timestamptz not null,
    error text not null,
    attempts int not null,
    died_at timestamptz not null default statement_timestamp(),
    primary key (consumer, id)
);

-- migrate:down

drop table dead_letter;
drop table outbox_message;
drop table outbox_consumer;
drop table outbox;
