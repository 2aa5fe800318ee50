-- A queue as JSON.
-- Needs: q, a row of queues.
json_build_object(
    'label', q.label,
    'paused', q.paused_at is not null,
    'paused_at', to_char(q.paused_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'max_leases', q.max_leases,
    'ready_within_s', q.ready_within_s,
    'created_at', to_char(q.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'updated_at', to_char(q.updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'version', q.version
)
