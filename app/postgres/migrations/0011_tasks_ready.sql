-- no transaction
drop index concurrently if exists tasks_ready;
-- tasks_to_claim, which also has tasks that wait, stays for pods of the release before.
create index concurrently tasks_ready on tasks (priority desc, due_at, id)
where status = 'open' and claimable_at is null;

drop index concurrently if exists tasks_by_run_after;
create index concurrently tasks_by_run_after on tasks (run_after) where run_after is not null;

drop index concurrently if exists tasks_waited;
create index concurrently tasks_waited on tasks (greatest(run_after, rests_until))
where status = 'open' and greatest(run_after, rests_until) is not null;
