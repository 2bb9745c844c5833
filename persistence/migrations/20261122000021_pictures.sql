-- migrate:up

-- PDQ's 256 bits, null for what is too plain to be known again. Which of somebody's pictures are like another is read
-- off the index alone.
alter table media drop column perceptual;
alter table media add column perceptual bit(256);
create index media_perceptual on media (owner, id) include (perceptual) where perceptual is not null;

-- Pictures that nobody may show again, by PDQ's bits. Of two hashes that differ in 31 of 256 bits at most, one of 16
-- parts differs in one bit at most: each part has an index.
create table blocked_picture (
    hash bit(256) primary key,
    note text not null default '',
    at timestamptz not null default statement_timestamp()
);
do $$
begin
    for part in 0..15 loop
        execute format(
            'create index blocked_picture_part_%s on blocked_picture ((substring(hash from %s for 16)::bit(16)::int))',
            part, part * 16 + 1);
    end loop;
end $$;

-- migrate:down

drop table blocked_picture;
alter table media drop column perceptual;
alter table media add column perceptual bytea;
