-- migrate:up

-- A request that was declined is in no list. All rows there are pass the wider check, so nothing has to be scanned.
alter table member drop constraint member_folder_check;
alter table member add constraint member_folder_check check (folder in ('inbox', 'requests', 'declined')) not valid;

-- migrate:down

update member set folder = 'requests' where folder = 'declined';
alter table member drop constraint member_folder_check;
alter table member add constraint member_folder_check check (folder in ('inbox', 'requests')) not valid;
