-- Chooses the oldest tasks that a call would change, and locks them and their leases in the order of their ids, for the rest
-- of the transaction. They may be others by then: look again. Locks are taken in the order of fragments/claim.sql.
-- Parts: conditions (and their parameters; list_tasks.toml), changes (chosen.toml), limit (tasks at most).
-- Parameters: none.
-- Columns: ids uuid[], more boolean (there are more that it would change), others bigint (tasks that it would not
--   change: as many at most as are left of the limit), leases bigint (those locked).
with found as materialized (
    select t.id
    from tasks t
    where /*conditions*/ and /*changes*/
    order by t.id
    limit /*limit*/ + 1
), chosen as materialized (
    select id from found order by id limit /*limit*/
), locked as materialized (
    select t.id
    from tasks t
    where t.id = any(array(select id from chosen))
    order by t.id
    for update
), held as materialized (
    select l.task_id
    from leases l
    where l.task_id = any(array(select id from locked)) -- an array, so that all tasks are locked before the first lease
    order by l.task_id
    for update
)
select
    array(select id from locked) as ids,
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
    ) as others,
    (select count(*) from held) as leases
