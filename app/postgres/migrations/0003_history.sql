create type task_action as enum (
    'created', 'updated', 'deleted', 'claimed', 'completed', 'failed', 'released', 'expired', 'requeued'
);

create table history (
    sequence bigint generated always as identity primary key,
    transaction xid8 not null default pg_current_xact_id(),
    at timestamptz not null default clock_timestamp(),
    task_id uuid not null,
    version bigint not null,
    action task_action not null,
    actor text,
    before json,
    after json
);

comment on column history.task_id is 'no foreign key: a deleted task keeps its history';
comment on column history.transaction is 'sequence numbers alone would let a reader skip rows that commit late';
comment on column history.actor is 'id of the API key; null where the service itself acted';
comment on column history.before is 'the fields that changed; the whole task where it was deleted, null where it was created';
comment on column history.after is 'the fields that changed; the whole task where it was created, null where it was deleted';

create index history_by_task on history (task_id, sequence);
