insert into api_keys (id, secret_sha256, name, scopes, expires_at)
values (%(id)s, %(secret_sha256)s, %(name)s, %(scopes)s, now() + %(valid_for)s::interval)
