-- migrate:up

-- Whose turn it is among the pictures that are due: each that its owner has waiting already puts one off by a second, so
-- that who brings a thousand is worked for between others.
alter table media add column turn timestamptz not null default statement_timestamp();
create index media_turn on media (turn) where due_at is not null;
create index media_waiting on media (owner) where state = 'processing';

-- migrate:down

drop index media_waiting;
drop index media_turn;
alter table media drop column turn;
