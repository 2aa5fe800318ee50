alter table tasks add search tsvector not null generated always as (
    to_tsvector('english', title || ' ' || coalesce(description, ''))
) stored;

comment on column tasks.search is
    'a column and not only an index expression: each change of a task makes new index entries, which then need no parsing';

create index tasks_by_update on tasks (updated_at, id);
create index tasks_by_due on tasks (coalesce(due_at, 'infinity'), id);
create index tasks_by_priority on tasks (priority, id);
create index tasks_by_assignee on tasks (assignee, created_at, id) where assignee is not null;
create index tasks_unfinished_by_due on tasks (coalesce(due_at, 'infinity'), id) where finished_at is null;
create index tasks_by_label on tasks using gin ((labels::text[]));
create index tasks_by_text on tasks using gin (search);
