select
    h.sequence,
    json_build_object(
        'at', to_char(h.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'action', h.action,
        'version', h.version,
        'actor', case when h.actor is not null then json_build_object('key_id', h.actor, 'name', k.name) end,
        'before', h.before,
        'after', h.after
    )
from history h
left join api_keys k on k.id = h.actor
where h.task_id = %(task_id)s and h.sequence > %(after)s
order by h.sequence
limit %(limit)s
