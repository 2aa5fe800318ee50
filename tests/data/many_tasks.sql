-- 100,000 tasks as a year of use might leave them: most are finished, words, assignees and labels are frequent or rare.
insert into tasks (
    created_at, updated_at, due_at, run_after, claimable_at, finished_at, status, priority, assignee, labels, title, description
)
select
    created_at,
    created_at + random() * interval '5 days',
    case when random() < 0.6 then created_at + random() * interval '30 days' end,
    case when n % 3 = 0 then created_at + random() * interval '370 days' end,
    case when n % 400 = 0 then now() + random() * interval '1 day' end,
    case when status in ('done', 'cancelled', 'failed') then created_at + interval '1 day' end,
    status,
    (array['low', 'normal', 'normal', 'normal', 'high', 'urgent'])[1 + floor(random() * 6)]::task_priority,
    case when random() < 0.7 then 'user' || floor(200 * random() ^ 3) end,
    case when n % 4 = 0 then array['label' || floor(60 * random() ^ 2), 'label' || (60 + n % 3)]::label[] else '{}' end,
    'word' || floor(3000 * random() ^ 3) || ' word' || floor(3000 * random() ^ 3),
    'word' || floor(3000 * random() ^ 3) || ' word' || floor(3000 * random() ^ 3)
from (
    select
        n,
        now() - n * interval '5 minutes' as created_at,
        case when n % 20 < 17 then 'done' when n % 20 = 17 then 'in_progress' else 'open' end::task_status as status
    from generate_series(1, 100000) n
) made;

analyze tasks;

insert into leases (task_id, fence, expires_at, ttl_s, attempt, worker)
select id, 1, now() + case when random() < 0.9 then 1 else -1 end * interval '1 hour', 60, 1, 'worker' || floor(20 * random())
from tasks
where status = 'in_progress'
limit 500;

analyze leases;
