update idempotency_keys
set status = %(status)s, headers = %(headers)s, body = %(body)b
where api_key = %(api_key)s and key = %(key)s
