-- Reads the labels in use, in their order, with their tasks and their queues; also those of finished tasks alone.
-- Parameters: after text, limit bigint.
-- Columns: label text, queue json (a QueueFigures).
with recursive label as (
    (
        select label
        from (
            (select label from task_labels where label > %(after)s::text order by label limit 1)
            union all
            (select label from queues where label > %(after)s::text order by label limit 1)
        ) as each
        order by label
        limit 1
    )
    union all
    select next.label
    from label, lateral (
        select label
        from (
            (select l.label from task_labels l where l.label > label.label order by l.label limit 1)
            union all
            (select q.label from queues q where q.label > label.label order by q.label limit 1)
        ) as each
        order by label
        limit 1
    ) as next
), page as materialized (
    select label from label limit %(limit)s
), scheduled as materialized (
    select label, count(*) as number
    from tasks t, unnest(t.labels::text[]) as label
    where t.claimable_at > now() and t.status = 'open'
    group by label
), leased as materialized (
    select
        page.label,
        count(*) filter (where /*lease_deadline*/ > now()) as live,
        count(*) filter (where /*lease_deadline*/ <= now()) as quiet
    from page join leased_labels on leased_labels.label = page.label join leases l on l.task_id = leased_labels.task_id
    group by page.label
)
select page.label, json_build_object(
    'label', page.label,
    'ready', ready.number,
    'scheduled', coalesce(scheduled.number, 0),
    'leased', coalesce(leased.live, 0),
    'quiet', coalesce(leased.quiet, 0),
    'oldest_ready_at', to_char(ready.since, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'paused', coalesce(q.paused_at is not null, false),
    'max_leases', q.max_leases,
    'ready_within_s', q.ready_within_s
) as queue
from
    page
    left join queues q on q.label = page.label
    left join scheduled on scheduled.label = page.label
    left join leased on leased.label = page.label,
    lateral (
        select count(*) as number, min(r.since) as since from ready_labels r where r.label = page.label
    ) as ready
order by page.label
