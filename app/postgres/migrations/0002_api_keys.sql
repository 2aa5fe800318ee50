create table api_keys (
    id text primary key check (id ~ '^[0-9a-f]{12}$'),
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    secret_sha256 bytea not null check (octet_length(secret_sha256) = 32),
    name text not null check (char_length(name) between 1 and 100),
    scopes text[] not null check (scopes <@ array['read', 'write', 'work', 'metrics'] and cardinality(scopes) > 0)
);
