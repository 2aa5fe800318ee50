-- Finds what every user of the database may make in it, as long as nobody has taken that away.
-- Parameters: none.
-- Columns: privilege text, object text.
with home as (
    select relnamespace as schema
    from pg_class
    where relname = 'schema_migrations' and pg_table_is_visible(oid)
)
select 'create' as privilege, format('schema %s', home.schema::regnamespace) as object
from home
where has_schema_privilege('public', home.schema, 'create')
union all
select privilege, format('database %I', current_database())
from unnest(array['create', 'temporary']) as privilege
where has_database_privilege('public', current_database(), privilege)
