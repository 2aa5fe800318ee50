-- Completes many tasks as complete_task.sql does, each only if its token holds it.
-- No row for a call: there is no such task.
-- Parameters: calls json (objects with id, token and result, which is JSON as text: it stays as sent),
--   actor text.
-- Columns: id bytea, status text, version bigint, ended boolean (the token has ended the lease, now or before).
with asked as materialized (
    select id, token, result::json as result
    from json_to_recordset(%(calls)s) as (id uuid, token uuid, result text)
), /*end_leases*/, /*completed*/
select uuid_send(id) as id, status::text as status, version, true as ended
from new
union all
select
    uuid_send(old.id), old.status::text, old.version,
    coalesce(old.status = 'done' and old.completed_by = asked.token, false)
from old join asked on asked.id = old.id
where old.id not in (select id from new)
