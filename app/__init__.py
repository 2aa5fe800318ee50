"""TaskPulse: a task API whose workers have a pulse."""
