-- What people may see of a lease, as members of JSON; never the token.
-- Needs: l, a row of leases.
'worker', l.worker,
'attempt', l.attempt,
'fence', l.fence,
'claimed_at', to_char(l.claimed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
'pulsed_at', to_char(l.pulsed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
'expires_at', to_char(l.expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
'progress', l.progress,
'note', l.note
