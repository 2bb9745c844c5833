-- migrate:up

-- Seen by others from `posted_at` until before `expires_at`, exactly 24 h later; both are null until the media is ready.
-- Then it is in its author's archive alone. Both are whole milliseconds, so that what a client is told is exact too.
create table story (
    id bigint primary key,
    author bigint not null,
    cid text not null,
    digest bytea not null,
    media bigint not null,
    close_friends boolean not null,
    state text not null check (state in ('processing', 'published', 'rejected', 'deleted')),
    created_at timestamptz not null default statement_timestamp(),
    posted_at timestamptz,
    expires_at timestamptz,
    -- that it is over has been told to trays that are open
    ended boolean not null default false,
    -- what is left of it is still to be cleared away
    deleted_at timestamptz
);
create unique index story_cid on story (author, cid);
create index story_author on story (author, expires_at, id) where state = 'published';
create index story_made on story (author, id) where state <> 'deleted';
create index story_deleted on story (deleted_at) where deleted_at is not null;
create index story_ends on story (expires_at) where state = 'published' and not ended;
create index story_media on story (media);

-- Who has seen it, since when, and with what they reacted.
create table story_view (
    story bigint not null,
    viewer bigint not null,
    at timestamptz not null default statement_timestamp(),
    reaction text,
    primary key (story, viewer)
);
create index story_view_at on story_view (story, at, viewer);

-- migrate:down

drop table story_view;
drop table story;
