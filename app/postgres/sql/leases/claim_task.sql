-- Claims one task. No row: it cannot be claimed now; explain_refusal.sql says why.
-- Parameters: id uuid, ttl_s integer, worker text, actor text.
-- Columns: claimed json (a ClaimedTask), taken_over boolean (from a worker whose lease had expired).
with candidate as (
    select id, status, fence, attempts, max_attempts, cancel_requested, claimable_at, retry, priority, due_at, labels
    from tasks
    where id = %(id)s
    for update
), /*claim*/
select claimed, taken_over
from granted
