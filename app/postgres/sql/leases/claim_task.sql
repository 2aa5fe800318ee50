with candidate as (
    select id, status, fence, attempts, max_attempts, cancel_requested, claimable_at
    from tasks
    where id = %(id)s
    for update
), {claim}
