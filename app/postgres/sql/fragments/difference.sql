-- What of a task differs between two versions, as it was and as it becomes; null where nothing does.
-- Needs: old and new, rows of tasks.
select json_object_agg(name, was) as before, json_object_agg(name, becomes) as after
from (values
    ('title', to_json(old.title), to_json(new.title)),
    ('description', to_json(old.description), to_json(new.description)),
    ('status', to_json(old.status), to_json(new.status)),
    ('priority', to_json(old.priority), to_json(new.priority)),
    ('assignee', to_json(old.assignee), to_json(new.assignee)),
    ('labels', to_json(old.labels), to_json(new.labels)),
    ('due_at', to_json(to_char(old.due_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
        to_json(to_char(new.due_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))),
    ('run_after', to_json(to_char(old.run_after, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
        to_json(to_char(new.run_after, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))),
    ('claimable_at', (
        select to_json(to_char(/*claimable_at*/, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        from (select old.status, old.run_after, old.rests_until, old.updated_at) as t
    ), (
        select to_json(to_char(/*claimable_at*/, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        from (select new.status, new.run_after, new.rests_until, new.updated_at) as t
    )),
    ('payload', old.payload, new.payload),
    ('max_attempts', to_json(old.max_attempts), to_json(new.max_attempts)),
    ('retry', to_json(old.retry), to_json(new.retry)),
    ('unique_key', to_json(old.unique_key), to_json(new.unique_key)),
    ('attempts', to_json(old.attempts), to_json(new.attempts)),
    ('fence', to_json(old.fence), to_json(new.fence)),
    ('cancel_requested', to_json(old.cancel_requested), to_json(new.cancel_requested)),
    ('result', old.result, new.result),
    ('finished_at', to_json(to_char(old.finished_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
        to_json(to_char(new.finished_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
) as field (name, was, becomes)
where was::text is distinct from becomes::text
