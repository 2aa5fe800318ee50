-- no transaction
alter table tasks add column if not exists retry jsonb;
comment on column tasks.retry is 'the wait after a failed attempt: backoff_s, factor and max_s; null: there is none';

alter table tasks drop constraint if exists retry_complete;
alter table tasks add constraint retry_complete check (retry ?& array['backoff_s', 'factor', 'max_s']) not valid;
alter table tasks validate constraint retry_complete;
