-- migrate:up

-- Who likes a comment, the newest first.
create index comment_like_at on comment_like (comment, at, user_id);

-- migrate:down

drop index comment_like_at;
