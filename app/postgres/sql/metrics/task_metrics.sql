select
    (select json_object_agg(status, tasks) from (select status, count(*) as tasks from tasks group by status) as by_status),
    (select count(*) from tasks where coalesce(due_at, 'infinity') < now() and finished_at is null),
    (select extract(epoch from min(created_at))::double precision from tasks where status = 'open'),
    count(*) filter (where {lease_deadline} > now()),
    count(*) filter (where {lease_deadline} <= now()),
    extract(epoch from min(l.pulsed_at))::double precision
from leases l
