-- Finds what a user lacks to serve: the service's tables, the sequences of their columns, and the way to them. Finds
-- nothing before the first migration.
-- Parameters: role name.
-- Columns: privilege text, object text.
with home as (
    select relnamespace as schema, relowner as owner
    from pg_class
    where relname = 'schema_migrations' and relkind = 'r'
    order by pg_table_is_visible(oid) desc
    limit 1
), relations as (
    select oid, relname, relkind
    from pg_class
    join home on relnamespace = home.schema and relowner = home.owner
    where relkind in ('r', 'p', 'S')
)
select 'connect' as privilege, format('database %%I', current_database()) as object
from home
where not has_database_privilege(%(role)s, current_database(), 'connect')
union all
select 'usage', format('schema %%s', home.schema::regnamespace)
from home
where not has_schema_privilege(%(role)s, home.schema, 'usage')
union all
select privilege, format('table %%s', oid::regclass)
from relations
cross join unnest(array['select', 'insert', 'update', 'delete']) as privilege
where relkind <> 'S'
    and (relname <> 'schema_migrations' or privilege = 'select')
    and not has_table_privilege(%(role)s, oid, privilege)
union all
select 'usage', format('sequence %%s', oid::regclass)
from relations
where case relkind when 'S' then not has_sequence_privilege(%(role)s, oid, 'usage') end -- refuses a table
