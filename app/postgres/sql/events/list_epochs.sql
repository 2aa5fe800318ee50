-- Lists all epochs, oldest first.
-- Parameters: none.
-- Columns: id text, continues boolean (nothing was lost since the epoch before), until_transaction text,
--   until_sequence bigint (the last event of the epoch before).
select id, continues, until_transaction::text, until_sequence
from event_epochs
order by number
