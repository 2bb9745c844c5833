-- migrate:up

-- Of indexes that promise the same while a table is empty, the planner takes the youngest, and a plan is kept as long as
-- its connection: whether one person has decided something about another was looked up in relation_at, by a walk over
-- all that this person has decided (0.2 ms for somebody with 10,000, instead of 1 µs). The key is the youngest now.
alter table relation drop constraint relation_pkey, add primary key (user_id, kind, target);

-- migrate:down
