"""The programs in `examples/`, each against the real service."""
