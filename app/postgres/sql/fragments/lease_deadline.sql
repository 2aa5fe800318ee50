case
    when l.pulsed_at < pg_postmaster_start_time()
    then greatest(l.expires_at, pg_postmaster_start_time() + interval '30 seconds')
    else l.expires_at
end
