-- Reads a page of tasks as list_tasks.sql does, but the text ends with the first task that makes it longer than `bytes`:
-- for pages of so many tasks that all of them could be too much to hold.
-- Parts: conditions (and their parameters; list_tasks.toml), order, limit, bytes.
-- Parameters: none.
-- Columns: number bigint (tasks of the page, without regard to bytes), tasks bytea (null: there are none).
select count(*) as number, convert_to(string_agg(text, E',\n') filter (where before < /*bytes*/), 'UTF8') as tasks
from (
    select text, sum(octet_length(text)) over (rows unbounded preceding) - octet_length(text) as before
    from (
        select /*task_text*/ as text
        from (
            select t.*
            from tasks t
            where /*conditions*/
            order by /*order*/
            limit /*limit*/
        ) as t
        offset 0 -- else PostgreSQL makes each text three times
    ) as made
) as measured
