-- migrate:up

-- Who writes is told by a number: the latest claim is the only one whose bytes are accepted. `head` is the first bytes,
-- by which the type is told when they are enough. `cid` names the request that announced it, where it has one.
alter table upload drop column holder, add column claim int not null default 0, add column head bytea not null
    default '', add column type text, add column cid text;
create unique index upload_owner_cid on upload (owner, cid) where cid is not null;

-- migrate:down

drop index upload_owner_cid;
alter table upload add column holder text, drop column claim, drop column head, drop column type, drop column cid;
