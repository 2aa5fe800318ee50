alter table tasks
    add column run_after timestamptz,
    add column rests_until timestamptz;

comment on column tasks.run_after is 'nobody can claim the task before; null: no such time';
comment on column tasks.rests_until is 'when the pause after a failed attempt ends; null: there was none';
comment on column tasks.claimable_at is
    'when the wait ends, the later of run_after and rests_until; null: it can be claimed now, or the sweep saw the end. Clients get the field of this name from run_after, rests_until and updated_at, which change with the version only';
