select id, name, scopes, created_at, expires_at, revoked_at
from api_keys
order by created_at, id
