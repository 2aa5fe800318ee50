create domain label as text check (char_length(value) between 1 and 50);

create type task_status as enum ('open', 'in_progress', 'done', 'cancelled', 'failed');
create type task_priority as enum ('low', 'normal', 'high', 'urgent');

create table tasks (
    id uuid primary key default uuidv7(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    due_at timestamptz,
    finished_at timestamptz,
    version bigint not null default 1,
    fence bigint not null default 0,
    status task_status not null default 'open',
    priority task_priority not null default 'normal',
    attempts integer not null default 0 check (attempts >= 0),
    max_attempts integer not null default 3 check (max_attempts between 1 and 1000),
    cancel_requested boolean not null default false,
    title text not null check (char_length(title) between 1 and 200),
    description text check (char_length(description) <= 10000),
    assignee text check (char_length(assignee) between 1 and 200),
    labels label[] not null default '{}' check (cardinality(labels) <= 20),
    payload json not null default '{}' check (
        json_typeof(payload) = 'object' and octet_length(payload::text) <= 16384
    ),
    constraint finished_when_final check (
        (finished_at is not null) = (status in ('done', 'cancelled', 'failed'))
    )
);

comment on column tasks.payload is 'json, not jsonb: kept as sent, numbers to the last digit; nothing looks inside';

create index tasks_by_creation on tasks (created_at, id);
create index tasks_by_status on tasks (status, created_at, id);
