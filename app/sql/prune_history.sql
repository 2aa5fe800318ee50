-- Looks at the oldest rows only, which the primary key leads to: `sequence` and `at` grow together.
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
)
delete from history
using expired
where history.sequence = expired.sequence
returning true
