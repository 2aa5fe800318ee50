-- Ends many attempts as fail_task.sql does, each only if its token holds the task.
-- No row for a call: there is no such task.
-- Parameters: calls json (objects with id, token, error and retry_in_s), actor text.
-- Columns: id bytea, status text, version bigint, ended boolean (the token has ended the lease, now or before), ready text[]
--   (labels of the task if it can be claimed since; null: it cannot).
with asked as materialized (
    select *
    from json_to_recordset(%(calls)s) as (id uuid, token uuid, error text, retry_in_s double precision)
), /*end_leases*/, /*failed*/
select
    uuid_send(id) as id, status::text as status, version, true as ended,
    case when status = 'open' and claimable_at is null then labels::text[] end as ready
from new
union all
select
    uuid_send(old.id), old.status::text, old.version,
    coalesce(old.ended_by = asked.token, false) and not exists (select from leases l where l.task_id = old.id), null
from old join asked on asked.id = old.id
where old.id not in (select id from new)
