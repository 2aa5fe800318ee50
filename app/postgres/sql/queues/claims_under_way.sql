-- Finds the transactions that write leases at this moment, and may not see what was committed a moment ago.
-- Parameters: none.
-- Columns: transaction text.
select virtualtransaction as transaction
from pg_locks
where
    relation = 'leases'::regclass
    and database = (select oid from pg_database where datname = current_database())
    and mode = 'RowExclusiveLock'
    and granted
    and pid <> pg_backend_pid()
