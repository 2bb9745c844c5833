-- migrate:up

-- Nobody sees whether they are here, and they see nobody.
alter table account add column hidden boolean not null default false;
-- By this database's clock: when that was last set.
alter table account add column hidden_at timestamptz;
create index account_hidden_at on account (hidden_at) where hidden_at is not null;
create index relation_blocked_at on relation (at) where kind = 'block';

-- migrate:down

drop index relation_blocked_at;
alter table account drop column hidden_at;
alter table account drop column hidden;
