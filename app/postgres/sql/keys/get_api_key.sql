select secret_sha256, scopes, expires_at
from api_keys
where id = %(id)s and revoked_at is null
