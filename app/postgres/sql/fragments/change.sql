'at', to_char(h.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
'action', h.action,
'version', h.version,
'actor', case when h.actor is not null then json_build_object('key_id', h.actor, 'name', k.name) end,
'before', h.before,
'after', h.after
