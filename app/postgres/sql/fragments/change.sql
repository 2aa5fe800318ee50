-- The members of a Change and of an Event that come from history.
-- Needs: h, a row of history; k, the row of api_keys of its actor.
'at', to_char(h.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
'action', h.action,
'version', h.version,
'actor', case when h.actor is not null then json_build_object('key_id', h.actor, 'name', k.name) end,
'before', h.before,
'after', h.after
