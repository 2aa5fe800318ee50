-- Revokes an API key; one that is revoked keeps its time. No row: there is no such key.
-- Parameters: id text.
-- Columns: name text.
update api_keys
set revoked_at = coalesce(revoked_at, clock_timestamp())
where id = %(id)s
returning name
