-- migrate:up

-- Written with what it tells of, and gone once JetStream has it. `id` is the event's own for ever: consumers know a
-- repeat by it. Of two events of one edge the later has the larger one, as it is drawn while the edge is locked.
create table outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    body bytea not null,
    at timestamptz not null default statement_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.05);

-- migrate:down

drop table outbox;
