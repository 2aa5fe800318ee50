-- Reads the next events between two positions, in the order of transactions, and where the stream of events stands.
-- There is always one row; the columns from `transaction` on are null where there is no event. There is no row at all
-- where no epoch has begun.
-- A transaction below the snapshot's xmin has ended, and no later one gets a lower number: nothing is missed.
-- The events end with the first one that makes the stored changes of all of them larger than `bytes`.
-- Parameters: after_transaction xid8, after_sequence bigint, until_transaction xid8, until_sequence bigint, limit
--   bigint, bytes bigint.
-- Columns: epoch text, present boolean (the epoch is that of this server), pruned_transaction text, pruned_sequence
--   bigint (the last event that is no longer kept), head_transaction text, head_sequence bigint (the last event that
--   can be read), looked_at double precision, held_since double precision (when the oldest change was made that waits
--   for an older transaction), transaction text, sequence bigint, at double precision, task_id text, action text,
--   status text, assignees text[], labels text[], data json (an Event).
select
    e.id as epoch,
    (e.server_started_at, e.timeline, e.history) is not distinct from (
        pg_postmaster_start_time(), left(pg_walfile_name(pg_current_wal_lsn()), 8), 'history'::regclass::oid
    ) as present,
    e.pruned_transaction::text,
    e.pruned_sequence,
    head.transaction::text as head_transaction,
    head.sequence as head_sequence,
    extract(epoch from statement_timestamp())::double precision as looked_at,
    held.since as held_since,
    event.*
from (select * from event_epochs order by number desc limit 1) e
left join lateral (
    select h.transaction, h.sequence
    from history h
    where h.transaction < pg_snapshot_xmin(pg_current_snapshot()) and h.sequence > e.after_sequence
    order by h.transaction desc, h.sequence desc
    limit 1
) head on true
left join lateral (
    -- Rows of a dump may lie beyond xmax, too many to be passed over at each look.
    select extract(epoch from h.at)::double precision as since
    from history h
    where
        h.transaction >= pg_snapshot_xmin(pg_current_snapshot())
        and h.transaction < pg_snapshot_xmax(pg_current_snapshot())
        and h.sequence > e.after_sequence
    order by h.transaction, h.sequence
    limit 1
) held on true
left join lateral (
    select
        h.transaction::text as transaction,
        h.sequence as sequence,
        extract(epoch from h.at)::double precision as at,
        h.task_id::text,
        h.action::text,
        h.after ->> 'status' as status,
        array[t.assignee, h.before ->> 'assignee', h.after ->> 'assignee'] as assignees,
        t.labels::text[] || array(
            select json_array_elements_text(side -> 'labels') from unnest(array[h.before, h.after]) as side
        ) as labels,
        json_build_object(
            'task_id', h.task_id,
            'title', coalesce(t.title, h.after ->> 'title', h.before ->> 'title'),
            /*change*/
        ) as data
    from (
        select
            page.*,
            sum(octet_length(concat(page.before, page.after))) over (
                order by page.transaction, page.sequence rows between unbounded preceding and 1 preceding
            ) as bytes_before
        from (
            select h.*
            from history h
            where
                (h.transaction, h.sequence) > (%(after_transaction)s::xid8, %(after_sequence)s::bigint)
                and (h.transaction, h.sequence) <= (%(until_transaction)s::xid8, %(until_sequence)s::bigint)
                and h.transaction < pg_snapshot_xmin(pg_current_snapshot())
                and h.sequence > e.after_sequence
            order by h.transaction, h.sequence
            limit %(limit)s
        ) page
    ) h
    left join tasks t on t.id = h.task_id
    left join api_keys k on k.id = h.actor
    where coalesce(h.bytes_before, 0) < %(bytes)s
) event on true
order by event.transaction::xid8, event.sequence
