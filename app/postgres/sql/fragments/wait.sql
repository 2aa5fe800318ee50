-- The column claimable_at of a task that waits: when its wait ends; null where it is over.
-- Needs: w, a row with run_after and rests_until.
case when greatest(w.run_after, w.rests_until) > clock_timestamp() then greatest(w.run_after, w.rests_until) end
