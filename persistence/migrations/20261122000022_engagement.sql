-- migrate:up

-- Totals. What happens is a row of `tally_change`, written with its cause, so that nothing hot is ever locked; a fold
-- adds up many of them at once. `kind` says what is counted: likes, comments, saves (of a post or comment), followers,
-- following, posts (of a person).
create table tally (
    thing bigint not null,
    kind text not null,
    total bigint not null,
    primary key (thing, kind)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
create table tally_change (
    id bigint generated always as identity primary key,
    thing bigint not null,
    kind text not null,
    change int not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
-- The latest first: those are not folded yet, while what was folded is still found in the index for a while.
create index tally_change_thing on tally_change (thing, kind, id);

create table post_like (
    post bigint not null,
    user_id bigint not null,
    at timestamptz not null default statement_timestamp(),
    primary key (post, user_id)
);
create index post_like_at on post_like (post, at, user_id);

create table post_save (
    user_id bigint not null,
    post bigint not null,
    at timestamptz not null default statement_timestamp(),
    primary key (user_id, post)
);
create index post_save_at on post_save (user_id, at, post);

-- `parent` is the comment of the thread that this one answers; threads have one level. Who deleted it leaves nothing.
create table comment (
    id bigint primary key,
    post bigint not null,
    author bigint not null,
    parent bigint,
    cid text not null,
    digest bytea not null,
    text text,
    at timestamptz not null default statement_timestamp(),
    deleted_at timestamptz
);
create unique index comment_cid on comment (author, cid);
create index comment_post on comment (post, at, id) where parent is null and deleted_at is null;
create index comment_parent on comment (parent, at, id) where parent is not null and deleted_at is null;

create table comment_like (
    comment bigint not null,
    user_id bigint not null,
    at timestamptz not null default statement_timestamp(),
    primary key (comment, user_id)
);

-- migrate:down

drop table comment_like;
drop table comment;
drop table post_save;
drop table post_like;
drop table tally_change;
drop table tally;
