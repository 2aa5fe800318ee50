-- The text of a task's JSON. As text: to print a row as JSON, PostgreSQL looks up the type of every column for each
-- row again, which takes half as long again.
-- Needs: t, a row of tasks.
concat(
    '{"id":"', t.id,
    '","title":', to_json(t.title),
    ',"description":', coalesce(to_json(t.description), 'null'),
    ',"status":"', t.status,
    '","priority":"', t.priority,
    '","assignee":', coalesce(to_json(t.assignee), 'null'),
    ',"labels":', to_json(t.labels),
    ',"due_at":', coalesce(to_char(t.due_at, '\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\"'), 'null'),
    ',"run_after":', coalesce(to_char(t.run_after, '\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\"'), 'null'),
    ',"claimable_at":', coalesce(to_char(/*claimable_at*/, '\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\"'), 'null'),
    ',"payload":', t.payload,
    ',"max_attempts":', t.max_attempts,
    ',"retry":', coalesce(t.retry::text, 'null'),
    ',"unique_key":', coalesce(to_json(t.unique_key), 'null'),
    ',"attempts":', t.attempts,
    ',"fence":', t.fence,
    ',"cancel_requested":', to_json(t.cancel_requested),
    ',"created_at":', to_char(t.created_at, '\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\"'),
    ',"updated_at":', to_char(t.updated_at, '\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\"'),
    ',"result":', coalesce(t.result, 'null'),
    ',"finished_at":', coalesce(to_char(t.finished_at, '\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\"'), 'null'),
    ',"version":', t.version,
    '}'
)
