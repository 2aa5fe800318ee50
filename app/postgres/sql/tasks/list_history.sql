-- Reads the changes of a task after a sequence number, oldest first; it ends with the first change that makes all of
-- them larger than `bytes`.
-- Parameters: task_id uuid, after bigint, limit bigint, bytes bigint.
-- Columns: sequence bigint, change json (a Change).
select sequence, change
from (
    select
        sequence, change,
        sum(octet_length(change::text)) over (order by sequence) - octet_length(change::text) as before
    from (
        select
            h.sequence,
            json_build_object(
                /*change*/
            ) as change
        from history h
        left join api_keys k on k.id = h.actor
        where h.task_id = %(task_id)s and h.sequence > %(after)s
        order by h.sequence
        limit %(limit)s
    ) as made
) as measured
where before < %(bytes)s
order by sequence
