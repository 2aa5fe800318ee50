-- All lanes, from one to the next along an index.
-- Makes: lane.
lane as (
    (select lane from ready_labels where first order by lane limit 1)
    union all
    select next.lane
    from lane, lateral (
        select r.lane from ready_labels r where r.first and r.lane > lane.lane order by r.lane limit 1
    ) as next
)
