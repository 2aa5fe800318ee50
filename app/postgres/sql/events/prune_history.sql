-- Deletes the oldest changes of history once they are older than some days, and notes up to where they are gone.
-- Looks at the oldest rows only, which the primary key leads to: `sequence` and `at` grow together.
-- Parameters: bite bigint (rows to look at), days double precision.
-- Columns: deleted boolean.
with oldest as (
    select sequence
    from history
    order by sequence
    limit %(bite)s
), expired as (
    select h.sequence
    from history h join oldest on h.sequence = oldest.sequence
    where h.at < now() - %(days)s * interval '1 day'
    for update of h skip locked
), gone as (
    delete from history
    using expired
    where history.sequence = expired.sequence
    returning history.transaction, history.sequence
), last as (
    select gone.transaction, gone.sequence
    from gone
    where gone.sequence > coalesce((select after_sequence from event_epochs order by number desc limit 1), 0)
    order by gone.transaction desc, gone.sequence desc
    limit 1
), noted as (
    -- Who resumes from before it learns that events are missing.
    update event_epochs e
    set pruned_transaction = last.transaction, pruned_sequence = last.sequence
    from last
    where
        e.number = (select max(number) from event_epochs)
        and (e.pruned_transaction, e.pruned_sequence) < (last.transaction, last.sequence)
)
select true as deleted
from gone
