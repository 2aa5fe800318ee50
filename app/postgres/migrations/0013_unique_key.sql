-- no transaction
alter table tasks add column if not exists unique_key text;
comment on column tasks.unique_key is 'at most one unfinished task has it';

alter table tasks drop constraint if exists unique_key_length;
alter table tasks add constraint unique_key_length check (char_length(unique_key) between 1 and 255) not valid;
alter table tasks validate constraint unique_key_length;

drop index concurrently if exists tasks_unfinished_by_key;
create unique index concurrently tasks_unfinished_by_key on tasks (unique_key)
where unique_key is not null and finished_at is null;
