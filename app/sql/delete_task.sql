with old as (
    select * from tasks where id = %(id)s for update
), gone as (
    delete from tasks t
    using old
    where t.id = old.id and (%(versions)s::bigint[] is null or old.version = any(%(versions)s::bigint[]))
    returning t.*
), written as (
    insert into history (task_id, version, action, actor, before)
    select t.id, t.version, 'deleted', %(actor)s, {task}
    from gone t
)
select exists (select from gone) from old
