-- The text is made outside, of the tasks of the page alone: beside "order by" it is made of all that are sorted.
select count(*), convert_to(string_agg({task_text}, E',\n'), 'UTF8')
from (
    select t.*
    from tasks t
    where {conditions}
    order by {order}
    limit {limit}
) as t
