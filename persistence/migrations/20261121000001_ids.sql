-- migrate:up

create sequence id_sequence minvalue 0 maxvalue 1023 start 0 cycle;

-- 41 bits of milliseconds since 2025-01-01, 13 bits of shard, 10 bits of sequence. More than 1,024 ids of one shard in
-- one millisecond repeat: whoever inserts takes another when the primary key says so.
create function next_id(shard int) returns bigint language sql volatile as $$
    select ((floor(extract(epoch from clock_timestamp()) * 1000)::bigint - 1735689600000) << 23)
        | ((shard & 8191)::bigint << 10)
        | nextval('id_sequence')
$$;

-- migrate:down

drop function next_id(int);
drop sequence id_sequence;
