-- Looks at the oldest rows only, which the primary key leads to: `sequence` and `at` grow together.
with oldest as (
    select sequence, at
    from history
    order by sequence
    limit %(bite)s
    for update skip locked
)
delete from history
using oldest
where history.sequence = oldest.sequence and oldest.at < now() - %(days)s * interval '1 day'
