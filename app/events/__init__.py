"""Events: every change of a task, in the order of transactions, for any number of readers."""
