select id, continues, until_transaction::text, until_sequence
from event_epochs
order by number
