-- The lanes of some labels, from one to the next along an index.
-- Needs: asked, with the labels. Makes: label_lane.
label_lane as (
    select asked.label, first.lane
    from asked, lateral (
        select r.lane from ready_labels r where r.label = asked.label order by r.label, r.lane limit 1
    ) as first
    union all
    select label_lane.label, next.lane
    from label_lane, lateral (
        select r.lane
        from ready_labels r
        where r.label = label_lane.label and r.lane > label_lane.lane
        order by r.label, r.lane
        limit 1
    ) as next
)
