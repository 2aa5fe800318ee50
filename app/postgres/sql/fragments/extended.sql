-- What a pulse sets of a lease.
-- Needs: l, a row of leases; asked, with progress and note.
pulsed_at = clock_timestamp(),
expires_at = clock_timestamp() + l.ttl_s * interval '1 second',
progress = coalesce(asked.progress, l.progress),
note = coalesce(asked.note, l.note)
