-- An expiry is written once an attempt, but a late pulse lets the same lease expire again.
select from leases
where expires_at > statement_timestamp() - interval '3 seconds' and expires_at <= statement_timestamp()
limit 1
