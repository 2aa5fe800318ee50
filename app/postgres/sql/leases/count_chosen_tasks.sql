-- Counts what lock_chosen_tasks.sql would choose, and locks nothing.
-- Parts: conditions (and their parameters; list_tasks.toml), changes, once (chosen.toml), limit (tasks at most).
-- Parameters: none.
-- Columns: chosen bigint, changed bigint (those of them that the call would change), more boolean (there are more that it
--   would change), others bigint (tasks that it would not change: as many at most as are left of the limit).
with found as materialized (
    select t.id, /*once*/ as once
    from tasks t
    where /*conditions*/ and /*changes*/
    order by t.id
    limit /*limit*/ + 1
)
select
    count(*) as chosen,
    count(distinct once) as changed,
    (select count(*) > /*limit*/ from found) as more,
    (
        select count(*)
        from (
            select
            from tasks t
            where /*conditions*/ and not /*changes*/
            order by t.id
            limit greatest(0, /*limit*/ - (select count(*) from found))
        ) as other
    ) as others
from (select once from found order by id limit /*limit*/) as chosen
