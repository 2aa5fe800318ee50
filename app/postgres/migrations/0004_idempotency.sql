create table idempotency_keys (
    expires_at timestamptz not null default clock_timestamp() + interval '24 hours',
    status smallint check (status between 200 and 299),
    api_key text not null,
    key text not null check (char_length(key) between 1 and 255),
    fingerprint bytea not null check (octet_length(fingerprint) = 32),
    headers json,
    body bytea,
    primary key (api_key, key)
);

comment on table idempotency_keys is 'answers of requests that had an Idempotency-Key, written in the transaction of their work';
comment on column idempotency_keys.fingerprint is 'SHA-256 of method, path, query and body';
comment on column idempotency_keys.status is 'null only inside the transaction that still works';

create index idempotency_keys_by_expiry on idempotency_keys (expires_at);
