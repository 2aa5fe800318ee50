update api_keys
set revoked_at = coalesce(revoked_at, clock_timestamp())
where id = %(id)s
returning name
