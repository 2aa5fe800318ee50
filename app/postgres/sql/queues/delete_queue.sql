-- Deletes the queue of a label.
-- Parameters: label text.
-- Columns: none.
delete from queues where label = %(label)s::text
