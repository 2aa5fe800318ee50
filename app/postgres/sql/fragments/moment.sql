-- One moment for every time that a change writes, taken when its locks are held.
-- Needs: old, the locked row of tasks.
lateral (select clock_timestamp() as at where old.id is not null) as moment
