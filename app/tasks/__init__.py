"""Tasks: their model, how they are stored, changed and listed, and their history."""
