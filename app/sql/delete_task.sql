with old as (
    select id, version from tasks where id = %(id)s for update
), gone as (
    delete from tasks t
    using old
    where t.id = old.id and (%(versions)s::bigint[] is null or old.version = any(%(versions)s))
    returning t.id
)
select exists (select from gone) from old
