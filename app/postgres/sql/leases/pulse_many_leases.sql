-- Extends many leases of a worker from now; an expired one too, as long as nobody else has claimed the task.
-- No row for a call: there is no such task.
-- A late one needs room in the task's queues, in the order of the calls. Those queues that a late one may need are locked
-- until the end: who counts their leases meanwhile waits. Locks are taken in the order of fragments/claim.sql.
-- Parameters: calls json (objects with id, token, progress, note).
-- Columns: id bytea, status text, version bigint, cancel_requested boolean, pulse_every_s integer, expires_at timestamp
--   with time zone (null: it was not extended), queue text (the label whose queue has no room; null: the token does not hold
--   the task).
with recursive asked as materialized (
    select *
    from rows from (
        json_to_recordset(%(calls)s) as (id uuid, token uuid, progress double precision, note text)
    ) with ordinality as given (id, token, progress, note, place)
), limited as materialized (
    select q.label, q.max_leases
    from queues q
    where
        q.max_leases is not null
        and q.label in (
            select label
            from
                asked join leases l on l.task_id = asked.id join tasks t on t.id = asked.id,
                unnest(t.labels::text[]) as label
            where l.expires_at < statement_timestamp() + interval '10 seconds'
        )
    order by q.label
    for no key update
), room as materialized (
    select
        array_agg(label order by label) as labels,
        array_agg(max_leases - live_leases(label) order by label) as leases
    from limited
), held as materialized (
    select l.task_id, l.token, l.expires_at, l.pulsed_at
    from asked join leases l on l.task_id = asked.id
    where (select count(*) from room) > 0 -- so that queues are locked, and their leases counted, before the first lease
    order by l.task_id
    for update of l
), found as materialized (
    select
        asked.*,
        (select labels from room) is null or /*lease_deadline*/ > clock_timestamp() as live,
        array(
            select number::integer
            from room, unnest(room.labels) with ordinality as queue (label, number)
            where queue.label = any(t.labels::text[])
        ) as queues
    from asked join held l on l.task_id = asked.id join tasks t on t.id = asked.id
    where case when l.token = asked.token then true end -- see fragments/end_leases.sql
), late as materialized (
    select id, queues, row_number() over (order by place) as number
    from found
    where not live and queues <> '{}'
), decided as (
    -- One late pulse after the other: the room that each leaves to the next.
    select 0::bigint as number, null::uuid as id, room.leases, null::bigint as lacking
    from room
    union all
    select
        late.number,
        late.id,
        case
            when tried.lacking is not null then decided.leases
            else array(
                select places - (queue = any(late.queues))::integer
                from unnest(decided.leases) with ordinality as left_over (places, queue)
                order by queue
            )
        end,
        tried.lacking
    from decided join late on late.number = decided.number + 1, lateral (
        select min(queue) from unnest(late.queues) as queue where decided.leases[queue] <= 0
    ) as tried (lacking)
), extended as (
    update leases l
    set
        /*extended*/
    from found as asked
    where l.task_id = asked.id and asked.id not in (select id from decided where lacking is not null)
    returning l.task_id, l.expires_at, /*pulse_every_s*/ as pulse_every_s
)
select
    uuid_send(asked.id) as id,
    t.status::text as status,
    t.version,
    t.cancel_requested,
    extended.pulse_every_s,
    extended.expires_at,
    (select labels from room)[decided.lacking] as queue
from
    asked join tasks t on t.id = asked.id
    left join extended on extended.task_id = asked.id
    left join decided on decided.id = asked.id
