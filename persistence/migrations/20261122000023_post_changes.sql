-- migrate:up

-- Until everything of a deleted post is cleared away. What is left then is what a retry of its making is answered by.
alter table post add column deleted_at timestamptz;
create index post_deleted_at on post (deleted_at) where deleted_at is not null;
-- What its author alone sees of what is on its way, or did not get there.
create index post_waiting on post (author, created_at, id) where state in ('processing', 'rejected');
create index post_save_post on post_save (post);

-- `protocol.posts.PostMoved` in MessagePack: it is written by the statement that moves the post.
create function post_moved(post bigint, author bigint, change text, at timestamptz)
returns bytea language sql stable as $$
    select '\x84a4706f7374'::bytea || msgpack_text(post::text) || '\xa6617574686f72' || msgpack_text(author::text)
        || '\xa66368616e6765' || msgpack_text(change)
        || '\xa26174cf' || int8send((extract(epoch from at) * 1000)::bigint)
$$;

-- migrate:down

drop function post_moved(bigint, bigint, text, timestamptz);
drop index post_save_post;
drop index post_waiting;
drop index post_deleted_at;
alter table post drop column deleted_at;
