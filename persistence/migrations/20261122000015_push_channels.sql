-- migrate:up

-- Through what a push may reach somebody; kept as it is where the table has it.
alter table push_job add column if not exists channels text[] not null default '{push}';

-- migrate:down

alter table push_job drop column if exists channels;
