select fingerprint = %(fingerprint)s as same, status, headers, body
from idempotency_keys
where api_key = %(api_key)s and key = %(key)s
