alter table tasks add column ended_by uuid;

comment on column tasks.ended_by is
    'token of the latest lease, if fail or release ended it, so that the same call again succeeds';
