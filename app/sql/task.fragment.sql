({task_text})::json
