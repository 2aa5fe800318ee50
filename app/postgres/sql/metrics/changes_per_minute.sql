-- Counts what workers did in each minute of the last hour, or of that part of it that begins with `since`.
-- Looks at the newest rows of history only, which the primary key leads to: `sequence` and `at` grow together. The steps
-- back double, so that it looks at not much more than twice the rows that it counts, and no write pays for an index.
-- Parameters: since timestamp with time zone (the beginning of a minute; null: all of the hour).
-- Columns: now timestamp with time zone, minute timestamp with time zone, claimed bigint, completed bigint, failed
--   bigint, expired bigint.
with recursive began as materialized (
    select least(
        greatest(%(since)s::timestamptz, date_trunc('minute', statement_timestamp()) - interval '59 minutes'),
        date_trunc('minute', statement_timestamp()) -- the clock of a server that took over may be behind
    ) as at
), back (sequence, step) as (
    (select sequence, 1000::bigint from history order by sequence desc limit 1)
    union all
    select back.sequence - back.step, 2 * back.step
    from back, began
    where (
        -- Rows may have got their numbers and their times in another order, by a moment.
        select h.at >= began.at - interval '1 minute'
        from history h
        where h.sequence <= back.sequence
        order by h.sequence desc
        limit 1
    )
), counted as (
    select
        date_trunc('minute', h.at) as minute,
        count(*) filter (where h.action = 'claimed') as claimed,
        count(*) filter (where h.action = 'completed') as completed,
        count(*) filter (where h.action = 'failed') as failed,
        count(*) filter (where h.action = 'expired') as expired
    from history h, began
    where h.sequence > (select min(sequence) from back) and h.at >= began.at
    group by minute
)
select
    statement_timestamp() as now,
    each.minute,
    coalesce(counted.claimed, 0) as claimed,
    coalesce(counted.completed, 0) as completed,
    coalesce(counted.failed, 0) as failed,
    coalesce(counted.expired, 0) as expired
from
    began,
    generate_series(began.at, statement_timestamp(), interval '1 minute') as each (minute)
    left join counted on counted.minute = each.minute
order by each.minute
