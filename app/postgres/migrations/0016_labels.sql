-- no transaction
-- Bites, each in a transaction of its own; what changes meanwhile is kept by the triggers.
do $$
declare
    last uuid := '00000000-0000-0000-0000-000000000000';
    bite uuid[];
begin
    loop
        select array_agg(id order by id) into bite
        from (select id from tasks where id > last order by id limit 1000) as following;
        exit when bite is null;
        insert into task_labels (task_id, created_at, label)
        select id, created_at, label from tasks, unnest(labels::text[]) as label where id = any(bite)
        on conflict do nothing;
        insert into ready_labels (task_id, due_at, since, priority, first, label, lane)
        select
            id, due_at, greatest(created_at, run_after, rests_until), priority, number = 1, label,
            lane_of(labels::text[])
        from tasks, unnest(labels::text[]) with ordinality as labelled (label, number)
        where id = any(bite) and status = 'open' and claimable_at is null
        on conflict do nothing;
        insert into leased_labels (task_id, label)
        select id, label from tasks, unnest(labels::text[]) as label where id = any(bite) and status = 'in_progress'
        on conflict do nothing;
        last := bite[cardinality(bite)];
        commit;
    end loop;
end
$$;
analyze task_labels, ready_labels, leased_labels;
-- What changed between a bite's look at a task and its end; the locks keep that from happening again.
do $$
declare
    stale uuid[] := array(
        select l.task_id from task_labels l
        where not exists (select from tasks t where t.id = l.task_id and t.labels::text[] @> array[l.label])
        union
        select r.task_id from ready_labels r
        where not exists (select from tasks t where t.id = r.task_id and t.status = 'open' and t.claimable_at is null)
        union
        select s.task_id from leased_labels s
        where not exists (select from tasks t where t.id = s.task_id and t.status = 'in_progress')
    );
begin
    perform from tasks where id = any(stale) for update;
    delete from task_labels l
    where
        l.task_id = any(stale)
        and not exists (select from tasks t where t.id = l.task_id and t.labels::text[] @> array[l.label]);
    delete from ready_labels r
    where
        r.task_id = any(stale)
        and not exists (
            select from tasks t
            where t.id = r.task_id and t.labels::text[] @> array[r.label] and t.status = 'open' and t.claimable_at is null
        );
    delete from leased_labels s
    where
        s.task_id = any(stale)
        and not exists (
            select from tasks t
            where t.id = s.task_id and t.labels::text[] @> array[s.label] and t.status = 'in_progress'
        );
    commit;
end
$$;

drop index concurrently if exists tasks_ready_unlabelled;
create index concurrently tasks_ready_unlabelled on tasks (priority desc, due_at, id)
where status = 'open' and claimable_at is null and cardinality(labels) = 0;
-- Pods of the release before claim by tasks_to_claim meanwhile, which also has the tasks that wait.
drop index concurrently if exists tasks_ready;
