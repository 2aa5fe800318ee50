-- Reads the answer that is kept for an Idempotency-Key.
-- Parameters: fingerprint bytea, api_key text, key text.
-- Columns: same boolean (the request is the same), status smallint, headers json, body bytea.
select fingerprint = %(fingerprint)s as same, status, headers, body
from idempotency_keys
where api_key = %(api_key)s and key = %(key)s
