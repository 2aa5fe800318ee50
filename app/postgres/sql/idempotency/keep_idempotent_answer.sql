-- Keeps the answer for an Idempotency-Key.
-- Parameters: status smallint, headers json, body bytea, api_key text, key text.
-- Columns: none.
update idempotency_keys
set status = %(status)s, headers = %(headers)s, body = %(body)b
where api_key = %(api_key)s and key = %(key)s
