-- Reads the queue of a label. No row: the label has none.
-- Parameters: label text.
-- Columns: version bigint, queue json (a Queue).
select q.version, /*queue*/ as queue
from queues q
where q.label = %(label)s::text
