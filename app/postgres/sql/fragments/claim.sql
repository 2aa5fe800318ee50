-- The rest of a statement that claims tasks: lease, task, history and the answer.
-- Needs: candidate, the tasks to claim with their rows locked. Makes: granted.
-- Locks are taken in this order: tasks, queues, leases; tasks and leases by their ids, queues by their labels. A statement
-- may take a task out of order only if it skips what is locked. A queue with a limit is locked from the count of its leases
-- until the new lease is there.
-- Parameters: ttl_s integer, worker text, actor text.
limited as materialized (
    select q.label, q.max_leases
    from queues q
    where
        q.max_leases is not null
        and q.label in (select label from candidate, unnest(candidate.labels::text[]) as label)
    order by q.label
    for no key update
), room as materialized (
    select label, max_leases - live_leases(label) as leases from limited
), beyond as (
    select counted.id
    from (
        select
            candidate.id, label,
            row_number() over (
                partition by label order by candidate.priority desc, candidate.due_at, candidate.id
            ) as place
        from candidate, unnest(candidate.labels::text[]) as label
    ) as counted
    join room on room.label = counted.label
    where counted.place > room.leases
), leased as (
    insert into leases as l (task_id, fence, attempt, ttl_s, worker, expires_at)
    select
        id, fence + 1, attempts + 1, %(ttl_s)s, %(worker)s,
        clock_timestamp() + %(ttl_s)s * interval '1 second'
    from candidate
    where
        status in ('open', 'in_progress')
        and not cancel_requested
        and (claimable_at is null or claimable_at <= clock_timestamp())
        and not exists (select from queues q where q.paused_at is not null and q.label = any(candidate.labels::text[]))
        and id not in (select beyond.id from beyond)
    order by id
    on conflict (task_id) do update
    set
        token = excluded.token, fence = excluded.fence, attempt = l.attempt + 1, ttl_s = excluded.ttl_s,
        worker = excluded.worker, claimed_at = excluded.claimed_at, pulsed_at = excluded.pulsed_at,
        expires_at = excluded.expires_at, progress = null, note = null
    where
        -- Who waited for the task may hold an old view of its lease: only here is the row the present one.
        /*lease_deadline*/ <= clock_timestamp()
        and (
            select
                l.attempt < t.max_attempts
                and (t.retry is null or /*lease_deadline*/ + /*retry_wait*/ <= clock_timestamp())
            from candidate t
            where t.id = l.task_id
        )
    returning with (old as was) l.*, was.worker as quiet_worker
), claimed as (
    update tasks t
    set
        status = 'in_progress', fence = leased.fence, attempts = leased.attempt - 1, claimable_at = null,
        rests_until = null, completed_by = null, ended_by = null, updated_at = clock_timestamp(),
        version = t.version + case when t.attempts < leased.attempt - 1 then 2 else 1 end
    from leased
    where t.id = leased.task_id
    returning with (old as was)
        t.*, was.status as old_status, was.fence as old_fence, was.attempts as old_attempts
), written as (
    insert into history (task_id, version, action, actor, before, after)
    select
        t.id, t.version - 1, 'expired'::task_action, null,
        json_build_object('attempts', t.old_attempts),
        json_build_object('attempts', t.attempts, 'worker', leased.quiet_worker)
    from claimed t join leased on leased.task_id = t.id
    where t.old_attempts < t.attempts
    union all
    select
        t.id, t.version, 'claimed', %(actor)s::text,
        json_strip_nulls(json_build_object('status', nullif(t.old_status, t.status), 'fence', t.old_fence)),
        json_strip_nulls(json_build_object(
            'status', case when t.old_status <> t.status then t.status end, 'fence', t.fence,
            'worker', leased.worker, 'attempt', leased.attempt
        ))
    from claimed t join leased on leased.task_id = t.id
), granted as (
    select
        json_build_object(
            'task', /*task*/,
            'lease', json_build_object(
                'token', l.token, 'fence', l.fence, 'attempt', l.attempt,
                'expires_at', to_char(l.expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'pulse_every_s', /*pulse_every_s*/
            )
        ) as claimed,
        l.quiet_worker is not null as taken_over
    from claimed t join leased l on l.task_id = t.id
    order by t.priority desc, t.due_at, t.id
)
