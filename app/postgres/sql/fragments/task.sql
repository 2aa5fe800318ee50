-- A task as JSON.
-- Needs: t, a row of tasks.
(/*task_text*/)::json
