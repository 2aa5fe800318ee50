-- What a requeue makes of a task: it is open, with all its attempts.
-- Needs: t, the row of tasks that is updated.
status = 'open', attempts = 0, result = null, finished_at = null, claimable_at = null, run_after = null,
rests_until = null, completed_by = null, cancel_requested = false, updated_at = clock_timestamp(), version = t.version + 1
