-- Whether a task can be claimed now: it is open and does not wait, or its last worker let the lease expire.
-- Needs: t, a row of tasks.
(
    (t.claimable_at is null or t.claimable_at <= statement_timestamp())
    and (
        t.status = 'open'
        or t.status = 'in_progress' and not t.cancel_requested and exists (
            select from leases l
            where
                l.task_id = t.id
                and l.attempt < t.max_attempts
                and /*lease_deadline*/ + /*retry_wait*/ <= statement_timestamp()
        )
    )
)
