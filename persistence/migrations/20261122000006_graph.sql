-- migrate:up

-- Who is private is followed only once they say yes; until then the edge is `requested`. `accepted` is one they did
-- say yes to: what was told of that is taken back when the edge ends.
alter table account add column private boolean not null default false;

create table follow (
    follower bigint not null,
    followee bigint not null,
    requested boolean not null default false,
    accepted boolean not null default false,
    at timestamptz not null default statement_timestamp(),
    primary key (follower, followee)
);
-- Lists are read the newest first, however long they are.
create index follow_followee on follow (followee, requested, at, follower);
create index follow_follower on follow (follower, requested, at, followee);

-- What one person has decided about another, told to nobody.
create table relation (
    user_id bigint not null,
    kind text not null check (kind in ('block', 'restrict', 'mute', 'close_friend')),
    target bigint not null,
    at timestamptz not null default statement_timestamp(),
    primary key (user_id, kind, target)
);
create index relation_target on relation (target, kind, user_id);
create index relation_at on relation (user_id, kind, at, target);

-- migrate:down

drop table relation;
drop table follow;
alter table account drop column private;
