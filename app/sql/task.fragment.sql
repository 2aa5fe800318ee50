(select row_to_json(described) from (select
    t.id,
    t.title,
    t.description,
    t.status,
    t.priority,
    t.assignee,
    t.labels,
    to_char(t.due_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as due_at,
    t.payload,
    t.max_attempts,
    t.attempts,
    t.fence,
    t.cancel_requested,
    to_char(t.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at,
    to_char(t.updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at,
    to_char(t.finished_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as finished_at,
    t.version
) as described)
