-- migrate:up

-- One row for each person who was ever told anything: whoever decides about their notifications holds it locked.
-- `preferences` is the MessagePack of `protocol.preferences.Preferences`, null for who has set none.
create table notifier (
    user_id bigint primary key,
    preferences bytea
) with (fillfactor = 70);

-- A group of deeds. What they have in common: the target, the actor, or both while there is but one of each; neither
-- stands alone for ever. `members` counts the distinct others. Times are milliseconds since 1970 by this database's
-- clock. `due_at` is when the window that is open closes, `held` says that it waits for the end of quiet hours.
create table notification (
    id bigint primary key,
    user_id bigint not null,
    kind text not null,
    target text,
    actor bigint,
    members int not null,
    seen boolean not null default false,
    listed boolean not null default true,
    opened_at bigint not null,
    updated_at bigint not null,
    window_number int not null default 1,
    due_at bigint,
    held boolean not null default false
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.1
);
create index notification_user on notification (user_id, updated_at, id);
create index notification_unseen on notification (user_id, updated_at) where not seen and listed;
create index notification_target on notification (user_id, kind, target, id) where target is not null;
create index notification_actor on notification (user_id, kind, actor, id) where actor is not null;
create index notification_due on notification (due_at) where due_at is not null;

-- Each deed once, with the last event that told of it: an earlier one that comes later changes nothing. Counts rest on
-- these rows. `window_number` is that of the group's window in which the deed was news, 0 when it was none.
create table noted (
    recipient bigint not null,
    kind text not null,
    target text not null,
    actor bigint not null,
    deed text not null,
    event bigint not null,
    notification bigint not null,
    undone boolean not null,
    window_number int not null,
    -- who did it again before then is no news: milliseconds since 1970
    quiet_until bigint not null,
    text text not null,
    at timestamptz not null default statement_timestamp(),
    primary key (recipient, kind, target, actor, deed)
) with (
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.1
);
create index noted_notification on noted (notification, event) where not undone;
create index noted_undone on noted (at) where undone;

-- migrate:down

drop table noted;
drop table notification;
drop table notifier;
