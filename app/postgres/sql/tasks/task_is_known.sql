select exists (select from tasks where id = %(task_id)s) or exists (select from history where task_id = %(task_id)s)
