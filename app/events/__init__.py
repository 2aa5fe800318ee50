"""GET /v1/events: every change of a task, in the order of transactions, none missed."""
