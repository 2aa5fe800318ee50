update leases l
set
    pulsed_at = clock_timestamp(),
    expires_at = clock_timestamp() + l.ttl_s * interval '1 second',
    progress = coalesce(%(progress)s, l.progress),
    note = coalesce(%(note)s, l.note)
where l.task_id = %(id)s and l.token = %(token)s
returning json_build_object(
    'expires_at', to_char(l.expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'pulse_every_s', {pulse_every_s},
    'cancel_requested', (select t.cancel_requested from tasks t where t.id = l.task_id)
)
