-- Lists all API keys, oldest first.
-- Parameters: none.
-- Columns: id text, name text, scopes text[], created_at timestamp with time zone, expires_at timestamp with time
--   zone, revoked_at timestamp with time zone.
select id, name, scopes, created_at, expires_at, revoked_at
from api_keys
order by created_at, id
