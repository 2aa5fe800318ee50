-- Reads an API key that is not revoked.
-- Parameters: id text.
-- Columns: secret_sha256 bytea, scopes text[], expires_at timestamp with time zone (null: never).
select secret_sha256, scopes, expires_at
from api_keys
where id = %(id)s and revoked_at is null
