-- Counts tasks and leases for the gauges; times are seconds since 1970.
-- Parameters: none.
-- Columns: tasks json (number by status), overdue bigint, oldest_open double precision, live bigint, expired bigint,
--   oldest_pulse double precision.
select
    (
        select json_object_agg(status, tasks)
        from (select status, count(*) as tasks from tasks group by status) as by_status
    ) as tasks,
    (select count(*) from tasks where coalesce(due_at, 'infinity') < now() and finished_at is null) as overdue,
    (select extract(epoch from min(created_at))::double precision from tasks where status = 'open') as oldest_open,
    count(*) filter (where /*lease_deadline*/ > now()) as live,
    count(*) filter (where /*lease_deadline*/ <= now()) as expired,
    extract(epoch from min(l.pulsed_at))::double precision as oldest_pulse
from leases l
