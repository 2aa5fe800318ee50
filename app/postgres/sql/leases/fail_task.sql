-- Ends the attempt of this token: the task is open again, failed after its last attempt, or cancelled as asked for.
-- A task whose latest lease this token ended before, by fail or release, is returned as it is now.
-- No row: the token does not hold the task.
-- Parameters: id uuid, token uuid, retry_in_s double precision (null: as the task's retry says), actor text, error text.
-- Columns: version bigint, task json.
/*end_lease*/, asked as (
    select
        %(id)s::uuid as id, %(token)s::uuid as token, %(error)s::text as error,
        %(retry_in_s)s::double precision as retry_in_s
), /*failed*/
/*given_up*/
