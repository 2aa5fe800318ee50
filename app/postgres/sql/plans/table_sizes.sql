-- Measures the tables and indexes of the service, as PostgreSQL's planner does: by the pages that they have now.
-- Parameters: none.
-- Columns: name text, bytes bigint (null: dropped meanwhile).
select relname::text as name, pg_relation_size(oid) as bytes
from pg_class
where relnamespace = current_schema()::regnamespace and relkind in ('r', 'i')
