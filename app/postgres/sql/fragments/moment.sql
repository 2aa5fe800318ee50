-- One moment for every time that a change writes, taken when its locks are held.
lateral (select clock_timestamp() as at where old.id is not null) as moment
