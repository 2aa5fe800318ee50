alter table tasks
    add column claimable_at timestamptz,
    add column completed_by uuid,
    add constraint cancel_requested_in_progress check (not cancel_requested or status = 'in_progress');

comment on column tasks.claimable_at is 'when a failed task may be claimed again; null: now';
comment on column tasks.completed_by is 'token of the lease that completed it, so that the same call again succeeds';

create table leases (
    task_id uuid primary key references tasks on delete cascade,
    token uuid not null default gen_random_uuid(),
    fence bigint not null,
    claimed_at timestamptz not null default clock_timestamp(),
    pulsed_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    progress double precision check (progress between 0 and 100),
    ttl_s integer not null check (ttl_s between 1 and 86400),
    attempt integer not null check (attempt > 0),
    worker text not null check (char_length(worker) between 1 and 200),
    note text check (char_length(note) <= 1000)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

comment on table leases is 'a row from claim until complete, fail or release; an expired lease stays until somebody else claims';
comment on column leases.attempt is 'how many attempts are used up should this lease fail or expire';

create index leases_by_expiry on leases (expires_at);
create index tasks_to_claim on tasks (priority desc, due_at, id) where status = 'open';
create index tasks_resting on tasks (claimable_at) where claimable_at is not null;
