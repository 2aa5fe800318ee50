-- no transaction
alter table tasks add column if not exists result json;
comment on column tasks.result is 'what complete was given; json, not jsonb: kept as sent. null: nothing, or it is not done';

alter table tasks drop constraint if exists result_size;
alter table tasks add constraint result_size check (octet_length(result::text) <= 16384) not valid;
-- Apart, as it reads the whole table; it lets others read and write meanwhile.
alter table tasks validate constraint result_size;
