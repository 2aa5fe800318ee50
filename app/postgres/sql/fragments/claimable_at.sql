-- The field claimable_at of a task's JSON: when its wait ends. It stays until the next change, after its time too.
-- Needs: t, a row of tasks.
case
    when t.status in ('open', 'in_progress') and greatest(t.run_after, t.rests_until) > t.updated_at
    then greatest(t.run_after, t.rests_until)
end
