-- When a lease expires: leases from before a restart of the server get 30 seconds more, for workers to come back.
-- Needs: l, a row of leases.
case
    when l.pulsed_at < pg_postmaster_start_time()
    then greatest(l.expires_at, pg_postmaster_start_time() + interval '30 seconds')
    else l.expires_at
end
