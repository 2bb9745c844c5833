-- migrate:up

-- What was followed before there were tallies.
insert into tally (thing, kind, total)
select followee, 'followers', count(*) from follow where not requested group by followee
union all
select follower, 'following', count(*) from follow where not requested group by follower;

-- migrate:down

delete from tally where kind in ('followers', 'following');
delete from tally_change where kind in ('followers', 'following');
