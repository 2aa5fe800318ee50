"""Third-party programs, one module each. `program` finds and runs them all."""
