-- migrate:up

-- What a push for several notifications tells of: it is shown in vain once all of them are seen or gone.
alter table push_job add column summary bigint[];

-- migrate:down

alter table push_job drop column summary;
