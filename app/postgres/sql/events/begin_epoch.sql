-- Begins an epoch of event ids where the server, the timeline or the table of history is not that of the last epoch:
-- after every start of the server, and after a restore. Does nothing where another process was first.
-- Parameters: none.
-- Columns: begun boolean.
with previous as (
    select * from event_epochs order by number desc limit 1
), present as (
    select
        pg_postmaster_start_time() as server_started_at,
        left(pg_walfile_name(pg_current_wal_lsn()), 8) as timeline,
        'history'::regclass::oid as history
), events as not materialized (
    -- Rows that an earlier load brought stay out: their transactions mean nothing here.
    select transaction, sequence, at
    from history
    where sequence > coalesce((select after_sequence from previous), 0)
), kept as (
    -- `at` and the start of the server are of different clocks after a restore: at worst, an id too many is refused.
    select transaction, sequence
    from events
    where at < pg_postmaster_start_time()
    order by transaction desc, sequence desc
    limit 1
), renumbered as (
    select max(sequence) as sequence
    from history
    where (
        select transaction >= pg_snapshot_xmax(pg_current_snapshot())
        from events
        order by transaction desc, sequence desc
        limit 1
    )
)
insert into event_epochs (
    server_started_at, timeline, history, continues, until_transaction, until_sequence, after_sequence,
    pruned_transaction, pruned_sequence
)
select
    present.server_started_at,
    present.timeline,
    present.history,
    coalesce(
        renumbered.sequence is null
        and (previous.timeline, previous.history) = (present.timeline, present.history),
        false
    ),
    coalesce(kept.transaction, previous.pruned_transaction, '0'),
    coalesce(kept.sequence, previous.pruned_sequence, 0),
    coalesce(renumbered.sequence, previous.after_sequence, 0),
    case when renumbered.sequence is null then coalesce(previous.pruned_transaction, '0') else '0' end,
    case when renumbered.sequence is null then coalesce(previous.pruned_sequence, 0) else 0 end
from present
cross join renumbered
left join previous on true
left join kept on true
where
    previous is null
    or (previous.server_started_at, previous.timeline, previous.history)
        is distinct from (present.server_started_at, present.timeline, present.history)
on conflict (server_started_at, timeline, history) do nothing
returning true as begun
