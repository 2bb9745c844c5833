-- migrate:up

-- `claim` grows with each time that a picture is taken to be worked on, and is what the worker's writes are known by;
-- `attempts` counts those that may have been the picture's fault, and is taken back where it was not.
alter table media add column claim int not null default 0;

-- Since when a picture may be without anything that shows it; null once that was looked at. From then on it goes with
-- what shows it.
alter table media add column unused_since timestamptz default statement_timestamp();
create index media_unused on media (unused_since) where unused_since is not null;

-- migrate:down

drop index media_unused;
alter table media drop column unused_since, drop column claim;
