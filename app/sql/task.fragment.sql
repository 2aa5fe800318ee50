json_build_object(
    'id', t.id,
    'title', t.title,
    'description', t.description,
    'status', t.status,
    'priority', t.priority,
    'assignee', t.assignee,
    'labels', t.labels,
    'due_at', to_char(t.due_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'payload', t.payload,
    'max_attempts', t.max_attempts,
    'attempts', t.attempts,
    'fence', t.fence,
    'cancel_requested', t.cancel_requested,
    'created_at', to_char(t.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'updated_at', to_char(t.updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'finished_at', to_char(t.finished_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'version', t.version
)
