-- migrate:up

-- Totals. What happens is a row of `tally_change`, written with its cause, so that nothing hot is ever locked; a fold
-- adds up many of them at once. `kind` says what is counted: likes and comments (of a post or comment), followers,
-- following, posts (of a person). `folded_to` is the largest `id` of a change in it.
create table tally (
    thing bigint not null,
    kind text not null,
    total bigint not null,
    folded_to bigint not null default 0,
    primary key (thing, kind)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
create table tally_change (
    id bigint generated always as identity primary key,
    thing bigint not null,
    kind text not null,
    change int not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
-- What is looked for lies behind `folded_to`: what was folded is found in the index for a while.
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
-- `told` and `mentioned` are who was told of it, as a comment and as a mention: told again when it is deleted.
create table comment (
    id bigint primary key,
    post bigint not null,
    author bigint not null,
    parent bigint,
    cid text not null,
    digest bytea not null,
    text text,
    told bigint[] not null,
    mentioned bigint[] not null,
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

-- `protocol.activity.Activity` in MessagePack: it is written by the statement that does the deed, and only that knows
-- whom it concerns.
create function msgpack_text(value text) returns bytea language sql stable as $$
    select '\xda'::bytea || int2send(octet_length(value)::int2) || convert_to(value, 'UTF8')
$$;
create function activity(
    kind text, actor bigint, recipient bigint, target bigint, deed text, said text, undone boolean, at timestamptz
) returns bytea language sql stable as $$
    select '\x88a46b696e64'::bytea || msgpack_text(kind) || '\xa56163746f72' || msgpack_text(actor::text)
        || '\xa9726563697069656e74' || msgpack_text(recipient::text) || '\xa6746172676574' || msgpack_text(target::text)
        || '\xa464656564' || msgpack_text(deed) || '\xa26174cf' || int8send((extract(epoch from at) * 1000)::bigint)
        || '\xa6756e646f6e65' || case when undone then '\xc3'::bytea else '\xc2' end
        || '\xa474657874' || msgpack_text(left(said, 200))
$$;

-- migrate:down

drop function activity(text, bigint, bigint, bigint, text, text, boolean, timestamptz);
drop function msgpack_text(text);
drop table comment_like;
drop table comment;
drop table post_save;
drop table post_like;
drop table tally_change;
drop table tally;
