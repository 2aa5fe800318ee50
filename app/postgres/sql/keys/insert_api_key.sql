-- Inserts an API key.
-- Parameters: id text, secret_sha256 bytea, name text, scopes text[], valid_for interval (null: for ever).
-- Columns: none.
insert into api_keys (id, secret_sha256, name, scopes, expires_at)
values (%(id)s, %(secret_sha256)s, %(name)s, %(scopes)s, now() + %(valid_for)s::interval)
