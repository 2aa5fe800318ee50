-- no transaction
drop index concurrently if exists tasks_by_finish;
create index concurrently tasks_by_finish on tasks (finished_at) where finished_at is not null;
