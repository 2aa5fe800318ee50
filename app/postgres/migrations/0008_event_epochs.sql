create table event_epochs (
    number bigint generated always as identity primary key,
    begun_at timestamptz not null default clock_timestamp(),
    server_started_at timestamptz not null,
    until_transaction xid8 not null,
    until_sequence bigint not null,
    after_sequence bigint not null,
    pruned_transaction xid8 not null default '0',
    pruned_sequence bigint not null default 0,
    history oid not null,
    continues boolean not null,
    id text not null unique default left(replace(gen_random_uuid()::text, '-', ''), 12),
    timeline text not null,
    unique (server_started_at, timeline, history)
);

comment on table event_epochs is
    'a row for each run of the database server: a restored database runs on another server, so its events get another epoch';
comment on column event_epochs.until_transaction is
    'with until_sequence, the last event of the epochs before; who has a later one saw what this database has lost';
comment on column event_epochs.after_sequence is
    'rows up to it were loaded from a dump whose transaction numbers are still to come here; they are no events';
comment on column event_epochs.pruned_transaction is 'with pruned_sequence, the last event that is no longer kept';
comment on column event_epochs.continues is 'false: no event id of an earlier epoch is good here';
