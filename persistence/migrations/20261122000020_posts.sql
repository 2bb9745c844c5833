-- migrate:up

-- `processing` until all its media are ready; `archived` is for its author alone; `deleted` for nobody. `published_at`
-- orders posts everywhere.
create table post (
    id bigint primary key,
    author bigint not null,
    cid text not null,
    digest bytea not null,
    state text not null check (state in ('processing', 'published', 'rejected', 'archived', 'deleted')),
    caption text,
    place text,
    created_at timestamptz not null default statement_timestamp(),
    published_at timestamptz,
    edited_at timestamptz
);
create unique index post_cid on post (author, cid);
create index post_author on post (author, published_at, id) where state = 'published';
create index post_archived on post (author, published_at, id) where state = 'archived';

create table post_media (
    post bigint not null,
    n int not null,
    media bigint not null,
    primary key (post, n)
);
create index post_media_media on post_media (media);

-- Hashtags of the caption, in lower case, and people whom the caption mentions or who are tagged in a picture.
create table post_hashtag (
    post bigint not null,
    hashtag text not null,
    primary key (post, hashtag)
);
create index post_hashtag_hashtag on post_hashtag (hashtag, post);
create table post_person (
    post bigint not null,
    kind text not null check (kind in ('mention', 'tag')),
    user_id bigint not null,
    primary key (post, kind, user_id)
);

-- migrate:down

drop table post_person;
drop table post_hashtag;
drop table post_media;
drop table post;
