create sequence queue_versions;

create table queues (
    id integer generated always as identity unique,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    paused_at timestamptz,
    version bigint not null default nextval('queue_versions'),
    max_leases integer check (max_leases >= 0),
    ready_within_s integer check (ready_within_s > 0),
    settled boolean not null default false,
    label text primary key check (char_length(label) between 1 and 50)
);

comment on table queues is 'rules for the tasks with a label; a label without rules has no row';
comment on column queues.version is 'from one sequence for all, so that a queue that is made again has no version of the one before';
comment on column queues.paused_at is 'since when no new lease begins on a task with the label; null: it is not paused';
comment on column queues.max_leases is 'never more unexpired leases on tasks with the label; null: any number';
comment on column queues.ready_within_s is 'for how long a task with the label may be ready before an alert fires; null: for ever';
comment on column queues.settled is 'whether all tasks with the label are in its lane, so that claims need not look at their labels';

create table task_labels (
    task_id uuid not null,
    created_at timestamptz not null,
    label text not null,
    primary key (label, created_at, task_id)
);

comment on table task_labels is 'the labels of all tasks, in the order of lists; triggers of tasks keep it';

create table ready_labels (
    task_id uuid not null,
    due_at timestamptz,
    since timestamptz not null,
    priority task_priority not null,
    first boolean not null,
    label text not null,
    lane integer[] not null,
    primary key (task_id, label)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

comment on table ready_labels is 'the labels of open tasks that do not wait, in the order of claims; triggers of tasks keep it';
comment on column ready_labels.since is 'when it was made, or its wait ended';
comment on column ready_labels.first is 'one row of each task has it, for claims that take any label';
comment on column ready_labels.lane is
    'the ids of the task''s queues, so that a claim passes over all tasks of a lane at once; the sweep corrects it after a change of queues';

create index ready_labels_to_claim on ready_labels (label, lane, priority desc, due_at, task_id);
create index ready_labels_first on ready_labels (lane, priority desc, due_at, task_id) where first;

create table leased_labels (
    task_id uuid not null,
    label text not null,
    primary key (label, task_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

comment on table leased_labels is
    'the labels of tasks in progress, so that a count of the leases of a label reads no others; triggers of tasks keep it';

create function lane_of(some_labels text[]) returns integer[] stable language sql
return (select coalesce(array_agg(id order by id), '{}') from queues where label = any(some_labels));

create function live_leases(some_label text) returns bigint volatile language plpgsql as $$
begin
    -- Volatile, and not part of the statement that calls it: it sees what was committed before it was called.
    return (
        select count(*)
        from leased_labels leased cross join lateral (
            select
            from leases l
            where
                l.task_id = leased.task_id
                and greatest(
                    l.expires_at,
                    case
                        when l.pulsed_at < pg_postmaster_start_time()
                        then pg_postmaster_start_time() + interval '30 seconds'
                    end
                ) > clock_timestamp()
            offset 0 -- so that it never reads the leases of other labels
        ) as lease
        where leased.label = some_label
    );
end
$$;

-- By triggers, as pods of the release before write tasks and know nothing of these tables.
create function keep_labels() returns trigger language plpgsql as $$
declare
    other_labels boolean := tg_op <> 'UPDATE'
        or old.labels::text[] <> new.labels::text[] or old.created_at <> new.created_at;
    was_ready boolean := tg_op <> 'INSERT' and old.status = 'open' and old.claimable_at is null;
    is_ready boolean := tg_op <> 'DELETE' and new.status = 'open' and new.claimable_at is null;
    was_leased boolean := tg_op <> 'INSERT' and old.status = 'in_progress';
    is_leased boolean := tg_op <> 'DELETE' and new.status = 'in_progress';
begin
    if other_labels and tg_op <> 'INSERT' then
        delete from task_labels
        where label = any(old.labels::text[]) and created_at = old.created_at and task_id = old.id;
    end if;
    if was_ready and (other_labels or not is_ready) then
        delete from ready_labels where task_id = old.id;
    end if;
    if was_leased and (other_labels or not is_leased) then
        delete from leased_labels where label = any(old.labels::text[]) and task_id = old.id;
    end if;
    if other_labels and tg_op <> 'DELETE' then
        insert into task_labels (task_id, created_at, label)
        select new.id, new.created_at, label from unnest(new.labels::text[]) as label
        on conflict do nothing;
    end if;
    if is_leased and (other_labels or not was_leased) then
        insert into leased_labels (task_id, label)
        select new.id, label from unnest(new.labels::text[]) as label
        on conflict do nothing;
    end if;
    if is_ready then
        insert into ready_labels (task_id, due_at, since, priority, first, label, lane)
        select
            new.id, new.due_at, greatest(new.created_at, new.run_after, new.rests_until), new.priority, number = 1,
            label, lane
        from unnest(new.labels::text[]) with ordinality as labelled (label, number), lane_of(new.labels::text[]) as lane
        on conflict (task_id, label) do update
        set
            due_at = excluded.due_at, since = excluded.since, priority = excluded.priority, first = excluded.first,
            lane = excluded.lane;
    end if;
    return null;
end
$$;

create trigger keep_labels_of_new after insert on tasks for each row
when (cardinality(new.labels) > 0)
execute function keep_labels();

create trigger keep_labels_of_changed after update on tasks for each row
when (
    old.labels::text[] <> new.labels::text[]
    or cardinality(new.labels) > 0
    and (
        old.created_at <> new.created_at
        or (old.status = 'in_progress') <> (new.status = 'in_progress')
        or (old.status = 'open' and old.claimable_at is null) <> (new.status = 'open' and new.claimable_at is null)
        or (new.status = 'open' and new.claimable_at is null)
        and (old.priority <> new.priority or old.due_at is distinct from new.due_at)
    )
)
execute function keep_labels();

create trigger keep_labels_of_deleted after delete on tasks for each row
when (cardinality(old.labels) > 0)
execute function keep_labels();

create function forget_labels() returns trigger language plpgsql as $$
begin
    truncate task_labels, ready_labels, leased_labels;
    return null;
end
$$;

create trigger forget_labels after truncate on tasks execute function forget_labels();
