-- migrate:up

-- Since when there may be something left of a comment that was deleted: likes, totals, and answers, if deleting its
-- thread was interrupted. Null when there is nothing.
alter table comment add column clear_at timestamptz;
update comment set clear_at = deleted_at where deleted_at is not null;
create index comment_clear_at on comment (clear_at) where clear_at is not null;

-- migrate:down

drop index comment_clear_at;
alter table comment drop column clear_at;
