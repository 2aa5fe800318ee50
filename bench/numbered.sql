-- What the benchmark picks at random by number: the load generator and pgbench know no ids.
create table numbered as
select row_number() over (order by random()) as n, id
from tasks;
create unique index on numbered (n);
create unique index on numbered (id);

create table numbered_leases as
select row_number() over (order by random()) as n, task_id as id, token
from leases;
create unique index on numbered_leases (n);

