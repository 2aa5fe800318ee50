-- Takes an Idempotency-Key, a new or an expired one. No row: another request has it. Waits while that one is under way.
-- Parameters: api_key text, key text, fingerprint bytea.
-- Columns: claimed boolean.
insert into idempotency_keys as held (api_key, key, fingerprint)
values (%(api_key)s, %(key)s, %(fingerprint)s)
on conflict (api_key, key) do update
set fingerprint = excluded.fingerprint, expires_at = excluded.expires_at, status = null, headers = null, body = null
where held.expires_at <= clock_timestamp()
returning true as claimed
