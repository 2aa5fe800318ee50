-- no transaction
create index concurrently history_in_order on history (transaction, sequence);
