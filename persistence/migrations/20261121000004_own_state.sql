-- migrate:up

-- By this database's clock: when this member's marks or settings changed. The conversation's own `state_at` moves only
-- with what the others see, as they can ask when it did.
alter table member add column state_at timestamptz not null default 'epoch';

-- migrate:down

alter table member drop column state_at;
