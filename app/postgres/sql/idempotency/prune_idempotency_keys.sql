-- Deletes expired Idempotency-Keys with their answers.
-- Parameters: bite bigint (rows to delete at most).
-- Columns: deleted boolean.
with expired as (
    select api_key, key
    from idempotency_keys
    where expires_at <= now()
    order by expires_at
    limit %(bite)s
    for update skip locked
)
delete from idempotency_keys
using expired
where idempotency_keys.api_key = expired.api_key and idempotency_keys.key = expired.key
returning true as deleted
