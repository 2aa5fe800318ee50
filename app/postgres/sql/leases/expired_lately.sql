-- Finds out whether a lease expired in the last three seconds.
-- An expiry is recorded once an attempt, but a late pulse lets the same lease expire again.
-- Parameters: none.
-- Columns: none.
select from leases
where expires_at > statement_timestamp() - interval '3 seconds' and expires_at <= statement_timestamp()
limit 1
