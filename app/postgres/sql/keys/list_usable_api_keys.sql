-- Reads all API keys that are not revoked; those that have expired too, so that their owner can be told.
-- Parameters: none.
-- Columns: id text, secret_sha256 bytea, scopes text[], expires_at timestamp with time zone (null: never).
select id, secret_sha256, scopes, expires_at
from api_keys
where revoked_at is null
